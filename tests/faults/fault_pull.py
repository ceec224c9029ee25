# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls the processes of a backup that is being pulled."""

import os
import signal
import socket
import time

from pullbacktest import alive, kill, wait_until
from pullbacktest.clients import open_nbd
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


def restarted(stage):
    stage.daemon.leave()
    stage.daemon.start()


def hostile_clients(stage):
    path = stage.backup["disk"]["vda"]["uri"].split("socket=")[1]
    idle = []
    for _ in range(IDLE):
        link = socket.socket(socket.AF_UNIX)
        link.connect(path)
        idle.append(link)
    for number in range(MALFORMED):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(path)
            try:
                link.sendall(stage.t.random.randbytes(number % 300))
                if number % 2:
                    link.recv(64)
            except OSError:
                pass
    handle = open_nbd(stage.backup["disk"]["vda"]["uri"])
    handle.pread(65536, 0)
    for link in idle:
        link.close()


# A memory cgroup with no room: whoever needs one more page is ended.
MEMORY = "/sys/fs/cgroup/memory"


def out_of_memory(role):
    def fault(stage):
        folder = os.path.join(MEMORY, f"pullback-test-{os.getpid()}")
        os.mkdir(folder)
        pids = stage.pids(role)
        try:
            for pid in pids:
                write(folder, "cgroup.procs", pid)
            write(folder, "memory.limit_in_bytes", 4096)
            wait_until(lambda: ask(stage) and not any(map(alive, pids)), 30,
                       f"the {role} lives without memory")
        finally:
            # Also what the daemon started there.
            write(folder, "memory.limit_in_bytes", -1)
            for pid in read(folder, "cgroup.procs").split():
                write(MEMORY, "cgroup.procs", pid)
            wait_until(lambda: rmdir(folder), 20, f"{folder} stays busy")
        if role == "daemon":
            stage.daemon.process.wait(timeout=20)
            stage.daemon.start()
    return pulled(fault)


def ask(stage):
    """An idle daemon needs no more than it has."""
    stage.daemon.cli("backup-info", "vm1", check=False)
    return True


def rmdir(folder):
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def read(folder, name):
    with open(os.path.join(folder, name)) as stream:
        return stream.read()


def write(folder, name, value):
    with open(os.path.join(folder, name), "w") as stream:
        stream.write(f"{value}\n")


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
    yield Row("pull/restart/daemon", "the daemon is restarted during a pull",
              pulled(restarted), "goes on")
    yield Row("pull/hostile", f"{MALFORMED} malformed handshakes, {IDLE} idle "
              "connections", pulled(hostile_clients), "goes on")
    if os.path.exists(os.path.join(MEMORY, "memory.limit_in_bytes")):
        for role in "sink", "view", "gateway", "daemon":
            yield Row(f"pull/memory/{role}", f"no memory for the {role}",
                      out_of_memory(role), "goes on")
