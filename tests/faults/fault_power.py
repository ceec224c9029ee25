# SPDX-License-Identifier: LGPL-2.1-or-later
"""The power fails at any moment of a daemon's life.  What it does to its state
folder is recorded; each beginning of that, with what nobody had asked to be on
the disk lost in several ways, is what another daemon finds.  It must know what
the first one had said was done."""

import os
import shutil
import time

from pullbacktest import MIB, VM, Daemon, Disk, Failed, need_programs, run
from pullbacktest.agent import Agent
from pullbacktest.systemcalls import (file_of, read_calls, record_with,
                                      strings_of)

from table import Row

CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,unlink,unlinkat,mkdir," \
    "mkdirat,rmdir,ftruncate"


class Folder:
    """Files below TOP as programs see them, and as they are on the disk."""

    def __init__(self, top):
        self.top = top
        self.entries, self.synced_entries = {}, {}
        self.bytes, self.synced_bytes = {}, {}
        self.inodes = 0

    def make(self, path, folder=False):
        self.inodes += 1
        self.entries[path] = (self.inodes, folder)
        self.bytes[self.inodes] = self.synced_bytes[self.inodes] = b""

    def apply(self, call, arguments, result):
        """Whether it is a change."""
        strings, path = strings_of(arguments), file_of(arguments)
        if call == "openat":
            return self.open(result, arguments)
        if call in ("mkdir", "unlink", "rmdir", "rename"):
            path = strings[0].decode()
        elif call in ("mkdirat", "unlinkat"):
            path = os.path.join(path, strings[0].decode())
        if not path.startswith(self.top):
            return False
        if call in ("mkdir", "mkdirat"):
            self.make(path, True)
        elif call in ("unlink", "unlinkat", "rmdir"):
            self.entries.pop(path, None)
        elif call == "rename":
            self.entries[strings[1].decode()] = self.entries.pop(path)
        elif call in ("fsync", "fdatasync"):
            self.sync(path)
        else:
            self.write(call, path, strings, arguments)
        return True

    def open(self, path, arguments):
        if not path.startswith(self.top) or "O_CREAT" not in arguments:
            return False
        if path not in self.entries:
            self.make(path)
        elif "O_TRUNC" in arguments:
            self.bytes[self.entries[path][0]] = b""
        return True

    def write(self, call, path, strings, arguments):
        inode = self.entries[path][0]
        have = self.bytes[inode]
        if call == "ftruncate":
            self.bytes[inode] = have[:int(arguments.split()[-1])]
            return
        at = int(arguments.split()[-1]) if call == "pwrite64" else len(have)
        data = strings[0] if strings else b""
        self.bytes[inode] = have[:at].ljust(at, b"\0") + data \
            + have[at + len(data):]

    def sync(self, path):
        inode, folder = self.entries.get(path, (0, True))
        if not folder:
            self.synced_bytes[inode] = self.bytes[inode]
            return
        for entries in self.synced_entries, self.entries:
            for entry in [e for e in entries if os.path.dirname(e) == path]:
                if entries is self.entries:
                    self.synced_entries[entry] = entries[entry]
                elif entry not in self.entries:
                    del entries[entry]

    def put(self, target, entries, contents):
        """As a folder of this machine, as the next boot finds it."""
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for path, (inode, folder) in sorted(entries.items()):
            there = target + path[len(self.top):]
            if not os.path.isdir(os.path.dirname(there)):
                continue
            if folder:
                os.mkdir(there, 0o700)
            else:
                with open(there, "wb") as stream:
                    stream.write(contents[inode])

    def losses(self):
        yield "nothing lost", self.entries, self.bytes
        yield "data lost", self.entries, self.synced_bytes
        yield "folders lost", self.synced_entries, self.synced_bytes


# All that is kept there, but for the catalog, whose files are the checkpoints'.
FILES = {"domain.json", "job.json", "quiesce.json", "history"}
# What is done, and then known: is the domain there, and which checkpoints are
# committed?
LIFE = [
    (("domain-add", "vm1"), (True, [])),
    (("backup-begin", "vm1", "--checkpoint", "one"), (True, [])),
    (("backup-commit", "vm1"), (True, ["one"])),
    (("backup-begin", "vm1", "--checkpoint", "two", "--incremental", "one",
      "--quiesce"), (True, ["one"])),
    (("backup-abort", "vm1"), (True, ["one"])),
    (("checkpoint-create", "vm1", "three"), (True, ["one", "three"])),
    (("checkpoint-delete", "vm1", "one"), (True, ["three"])),
    (("checkpoint-delete", "vm1", "three"), (True, [])),
    (("domain-remove", "vm1"), (False, [])),
]


def live(t, vm, agent, traces):
    """[(begun, done, what is known then)], and the state folder's path."""
    daemon = Daemon(t, name="first", env={"PATH": record_with(t, traces, CALLS)})
    times = [(0, time.time(), (False, []))]
    for words, known in LIFE:
        more = ["--qmp", vm.qmp_path, "--agent", agent.path] \
            if words[0] == "domain-add" else []
        begun = time.time()
        daemon.cli(*words, *more)
        times.append((begun, time.time(), known))
    daemon.terminate()
    return times, daemon.state


def may_be_known(times, now):
    """At NOW, the last thing that was said, or what was being done."""
    known = [what for _, done, what in times if done <= now]
    doing = [what for begun, done, what in times if begun <= now < done]
    return known[-1:] + doing


def found(daemon):
    names = [d["name"] for d in daemon.cli("domain-list")["domains"]]
    if not names:
        return False, []
    listed = daemon.cli("checkpoint-list", "vm1")["checkpoints"]
    return True, [c["name"] for c in listed if c["state"] == "committed"]


def boot(t, daemon, what, may_be):
    daemon.start()
    have = found(daemon)
    if have not in may_be:
        raise Failed(f"{what}: found {have}, may be {may_be}: "
                     f"{daemon.log_text()[-1000:]}")
    daemon.kill9()


def power(t):
    need_programs("strace")
    traces = t.path("trace")
    vm = VM(t, [Disk("vda", "raw", 4 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    t.defer(agent.close)
    times, state = live(t, vm, agent, traces)
    vm.quit()
    vm.start()
    folder = Folder(state)
    daemon = Daemon(t, name="next")
    daemon.terminate()
    tried, boots, changes, seen = set(), 0, 0, set()
    for now, call, arguments, result in read_calls(traces):
        if not folder.apply(call, arguments, result):
            continue
        changes += 1
        seen.update(map(os.path.basename, folder.synced_entries))
        for lost, entries, contents in folder.losses():
            may_be = may_be_known(times, now)
            key = repr((sorted((path, contents[inode]) for path, (inode, _)
                               in entries.items()), may_be))
            if key in tried:
                continue
            tried.add(key)
            folder.put(daemon.state, entries, contents)
            boot(t, daemon, f"power cut after {call} ({arguments[:200]}), "
                 f"{lost}", may_be)
            boots += 1
    run("rm", "-rf", daemon.state)
    if boots < 30 or not seen.issuperset(FILES):
        raise Failed(f"only {boots} power cuts, with {seen}")
    return f"known after {boots} power cuts in {changes} changes"


def rows():
    yield Row("power", "power cut at each write to the state folder", power,
              "known", stage=False)
