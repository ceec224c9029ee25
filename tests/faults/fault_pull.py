# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls the processes of a backup that is being pulled."""

import os
import signal
import socket
import time

from pullbacktest import alive, kill, run, wait_until
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


class MemoryGroup:
    """A memory cgroup, of whichever version the kernel has one.  Without room
    whoever in it needs one more page is ended."""

    KINDS = (("/sys/fs/cgroup/memory", "memory.limit_in_bytes", -1),
             ("/sys/fs/cgroup", "memory.max", "max"))

    def __init__(self, top, limit, unlimited):
        self.top, self.limit, self.unlimited = top, limit, unlimited
        self.folder = os.path.join(top, f"pullback-test-{os.getpid()}")

    @classmethod
    def find(cls):
        """None where there is none."""
        for top, limit, unlimited in cls.KINDS:
            try:
                if "memory" in read(top, "cgroup.subtree_control").split():
                    return cls(top, limit, unlimited)
            except OSError:
                if os.path.exists(os.path.join(top, limit)):
                    return cls(top, limit, unlimited)
        return None

    def __enter__(self):
        os.mkdir(self.folder)
        return self

    def add(self, pid):
        write(self.folder, "cgroup.procs", pid)

    def close_in(self):
        write(self.folder, self.limit, 4096)

    def __exit__(self, *_):
        """Also what a daemon has started there goes on elsewhere."""
        write(self.folder, self.limit, self.unlimited)
        for pid in read(self.folder, "cgroup.procs").split():
            write(self.top, "cgroup.procs", pid)
        wait_until(lambda: rmdir(self.folder), 20,
                   f"{self.folder} stays busy")


def out_of_memory(role):
    def fault(stage):
        pids = stage.pids(role)
        with MemoryGroup.find() as group:
            for pid in pids:
                group.add(pid)
            group.close_in()
            wait_until(lambda: ask(stage) and not any(map(alive, pids)), 30,
                       f"the {role} lives without memory")
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
    for role in "view", "gateway":
        yield Row(f"pull/given-up/{role}", f"kill -9 of the {role} again and "
                  "again", given_up(role), "broken")
    yield Row("pull/restart/daemon", "the daemon is restarted during a pull",
              pulled(restarted), "goes on")
    yield Row("pull/hostile", f"{MALFORMED} malformed handshakes, {IDLE} idle "
              "connections", pulled(hostile_clients), "goes on")
    if MemoryGroup.find():
        for role in "sink", "view", "gateway", "daemon":
            yield Row(f"pull/memory/{role}", f"no memory for the {role}",
                      out_of_memory(role), "goes on")
