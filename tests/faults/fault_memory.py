# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process of a backup is ended by the kernel, as its control group has no memory."""

import os

from pullbacktest import alive, wait_until

from fault_pull import pulled
from fault_steps import (BEGIN, BEGIN_QUIESCED, THAWED, go_on, halt, outcome_of,
                         thaws)
from table import Row


class MemoryGroup:
    """A memory cgroup, of whichever version the kernel has one.  Without room
    whoever in it needs one more page is ended."""

    KINDS = ((1, "/sys/fs/cgroup/memory", "memory.limit_in_bytes", -1),
             (2, "/sys/fs/cgroup", "memory.max", "max"))

    def __init__(self, version, top, limit, unlimited):
        self.version, self.top = version, top
        self.limit, self.unlimited = limit, unlimited
        self.folder = os.path.join(top, f"pullback-test-{os.getpid()}")

    @classmethod
    def find(cls):
        """None where there is none."""
        for kind in cls.KINDS:
            _, top, limit, _ = kind
            try:
                if "memory" in read(top, "cgroup.subtree_control").split():
                    return cls(*kind)
            except OSError:
                if os.path.exists(os.path.join(top, limit)):
                    return cls(*kind)
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


def out_of_memory_at(verb, step, role):
    """Of a process that is of the command: when it has something to do again, with
    no memory for that."""
    def act(stage):
        client = halt(stage, verb, step)
        with MemoryGroup.find() as group:
            for pid in [client.pid] if role == "cli" else stage.pids(role):
                group.add(pid)
            group.close_in()
            go_on(stage)
            client.wait(timeout=90)
            outcome = outcome_of(stage, verb)
        if role == "quiesce":
            wait_until(lambda: thaws(stage), THAWED, "it stays frozen")
        return outcome
    return act


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
    group = MemoryGroup.find()
    if not group:
        return
    what = f"no memory for the {{}} (cgroup v{group.version})"
    for role in "sink", "view", "gateway", "daemon":
        yield Row(f"memory/{role}", what.format(role), out_of_memory(role),
                  "goes on")
    for verb, role in (BEGIN, "cli"), (BEGIN_QUIESCED, "quiesce"):
        yield Row(f"memory/{role}", what.format(role),
                  out_of_memory_at(verb, "freeze", role), "goes on",
                  stage=verb.stage)
