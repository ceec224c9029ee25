# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls the processes of a backup that is being pulled."""

import os
import shutil
import signal
import socket
import time

from pullbacktest import Failed, alive, kill, run, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.hostile import Idlers, handshakes
from pullbacktest.processes import descendants

from stage import QUIET, RECONNECT
from table import Row

PAUSE = 4                       # seconds that a process is stopped for
SINK_LIMIT = 10                 # --sink-limit, as it is by default
MALFORMED, IDLE = 1000, 200


def pulled(fault):
    """FAULT (stage) happens while a client reads; what became of the backup."""
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base)
        with stage.reader():
            fault(stage)
        return stage.end_backup()
    return act


def killed(*roles):
    def fault(stage):
        stage.kill(*roles)
        if "daemon" in roles:
            stage.daemon.start()
    return pulled(fault)


def client_killed(stage):
    for pid in descendants(stage.reading.pid):
        kill(pid)


def all_killed(stage):
    stage.kill("sink", "view", "gateway")


def stopped(role):
    def fault(stage):
        pid = stage.pids(role)[0]
        kill(pid, signal.SIGSTOP)
        stage.t.defer(resume, pid)
        time.sleep(PAUSE)
        resume(pid)
    return pulled(fault)


def resume(pid):
    try:
        kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def sink_stopped(stage):
    """Nobody lets it go on."""
    pid = stage.pids("sink")[0]
    kill(pid, signal.SIGSTOP)
    stage.t.defer(resume, pid)
    wait_until(lambda: not alive(pid), SINK_LIMIT + 10, "it stays stopped")


def given_up(role):
    """It is killed again and again; clients are told, and do not wait."""
    def broken(stage):
        for pid in stage.pids(role):
            kill(pid)
        return stage.state() == "broken"

    def fault(stage):
        uri = stage.backup["disk"]["vda"]["uri"]
        wait_until(lambda: broken(stage), 60, f"the {role} is not given up")
        wait_until(lambda: run("nbdinfo", uri, check=False, timeout=20)
                   .returncode != 0, 20, "clients are served")
    return pulled(fault)


def restarted(stage):
    stage.daemon.leave()
    stage.daemon.start()


def install(stage):
    """Programs of their own for the daemon, in the place of what it has."""
    place = stage.t.path("programs")
    os.makedirs(place, exist_ok=True)
    path = stage.daemon.env["PATH"]
    for name in "pullback-backupd", "pullback-gateway":
        shutil.copy(shutil.which(name, path=path), os.path.join(place, "new"))
        os.rename(os.path.join(place, "new"), os.path.join(place, name))
    if not path.startswith(place):
        stage.daemon.env["PATH"] = f"{place}:{path}"


def upgraded(stage):
    install(stage)
    restarted(stage)
    stage.freeze("--checkpoint", "x", "--incremental", stage.base)
    with stage.reader():
        gateways = stage.pids("gateway")
        install(stage)
        restarted(stage)
        runs = os.readlink(f"/proc/{gateways[0]}/exe")
        if stage.pids("gateway") != gateways or "(deleted)" not in runs:
            raise Failed(f"{stage.pids('gateway')}, were {gateways}: {runs}")
        stage.kill("gateway")
    return stage.end_backup()


def hostile_clients(stage):
    uri = stage.backup["disk"]["vda"]["uri"]

    def connect():
        link = socket.socket(socket.AF_UNIX)
        link.connect(uri.split("socket=")[1])
        return link
    idlers = Idlers(stage.t, connect, IDLE)
    ended = handshakes(connect, stage.t.random, MALFORMED)
    if ended < MALFORMED:
        raise Failed(f"only {ended} of {MALFORMED} have ended")
    handle = open_nbd(uri)
    handle.pread(65536, 0)
    handle.shutdown()
    idlers.close()


def rows():
    for roles, outcome, limit in (
            (("daemon",), "goes on", QUIET), (("sink",), "goes on", QUIET),
            (("view",), "goes on", QUIET), (("gateway",), "goes on", QUIET),
            (("sink", "view", "gateway"), "goes on", QUIET),
            (("daemon", "sink"), "goes on", RECONNECT)):
        who = "+".join(roles)
        yield Row(f"pull/kill/{who}", f"kill -9 of {who} during a pull",
                  killed(*roles), outcome, limit)
    yield Row("pull/kill/client", "kill -9 of the NBD client",
              pulled(client_killed), "goes on")
    for role, limit in (("daemon", QUIET), ("sink", PAUSE + QUIET),
                        ("view", QUIET), ("gateway", QUIET)):
        yield Row(f"pull/stop/{role}", f"SIGSTOP of the {role} for {PAUSE} s",
                  stopped(role), "goes on", limit)
    yield Row("pull/stop/sink-for-ever", "SIGSTOP of the sink",
              pulled(sink_stopped), "goes on", SINK_LIMIT + QUIET)
    for role in "view", "gateway":
        yield Row(f"pull/given-up/{role}", f"kill -9 of the {role} again and "
                  "again", given_up(role), "broken")
    yield Row("pull/restart/daemon", "the daemon is restarted during a pull",
              pulled(restarted), "goes on")
    yield Row("pull/upgrade", "other programs in the place of those that run, the "
              "daemon is restarted", upgraded, "goes on")
    yield Row("pull/hostile", f"{MALFORMED} malformed handshakes, {IDLE} idle "
              "connections", pulled(hostile_clients), "goes on")
