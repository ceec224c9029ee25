#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""pullback run, of which something is killed: its daemon is started again, also
when the sink died with it, and the command goes on to its end; what a killed run
leaves the next one undoes and removes.  The guest never loses a write."""

import fcntl
import glob
import os
import subprocess

from pullbacktest import (MIB, VM, Disk, alive, kill, main, need, run,
                          start_load, stop_load, wait_until)
from pullbacktest.processes import command_line, descendants


class Bench:
    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", size=32 * MIB)])
        self.tops = [t.path(name) for name in ("R", "T", "S")]
        for top in self.tops:
            os.mkdir(top)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.tops[0],
                        TMPDIR=self.tops[1])

    def words(self, command):
        return ["pullback", "run", "--qmp", self.vm.qmp_path, "--scratch-dir",
                self.tops[2], "--run", command]

    def start(self, command="exec sleep 300"):
        """Returns when its command runs."""
        begun = self.t.path("begun")
        command = command.format(go=self.t.path("go"), copy=self.t.path("copy"))
        process = subprocess.Popen(self.words(f"touch {begun}; {command}"),
                                   env=self.env, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.t.defer(process.stderr.close)
        self.t.defer(process.wait)
        self.t.defer(process.kill)
        wait_until(lambda: os.path.exists(begun), 60, "no backup begins")
        os.unlink(begun)
        return process

    def ours(self, *words):
        return [pid for pid in descendants(os.getpid()) if alive(pid)
                and any(word in command_line(pid) for word in words)]

    def kill(self, *words):
        found = self.ours(*words)
        need(found, f"no {words} to kill")
        for pid in found:
            kill(pid)
        wait_until(lambda: not any(map(alive, found)), 20, f"{words} stay")

    def nothing_left(self, what):
        left = [os.path.join(folder, name) for top in self.tops
                for folder, folders, files in os.walk(top)
                for name in folders + files]
        self.t.check(not left, f"{what}: files {left}")
        left = self.ours("nbdkit", "pullback-")
        self.t.check(not left, f"{what}: processes {left}")
        left = self.vm.qmp("query-jobs")
        self.t.check(not left, f"{what}: jobs {left}")

    def next_run(self, what):
        """Works, and removes what the last one left."""
        self.kill("sleep 300")
        wait_until(lambda: nobody_holds(self.tops[0]), 20, "still locked")
        run(*self.words("true"), env=self.env)
        self.nothing_left(what)


def nobody_holds(folder):
    with open(glob.glob(os.path.join(folder, "*", "lock"))[0]) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test(t):
    bench = Bench(t)
    start_load(t, bench.vm, "rate=100")
    process = bench.start("while [ ! -e {go} ]; do sleep 0.1; done; "
                          "exec nbdcopy \"$uri\" {copy}")
    for roles in (["pullback-backupd"], ["pullback-backupd", "role=sink"]):
        bench.kill(*roles)
        wait_until(lambda: bench.ours("pullback-backupd") and
                   bench.ours("role=sink"), 30, "it is not started again")
    with open(t.path("go"), "w"):
        pass
    said = process.communicate(timeout=90)[1]
    t.check(process.returncode == 0 and said == "",
            f"{process.returncode} {said!r}")
    bench.nothing_left("daemon and sink killed")

    process = bench.start()
    process.kill()
    wait_until(lambda: not bench.ours("pullback-backupd"), 60,
               "the daemon does not end")
    bench.next_run("the command killed")

    process = bench.start()
    process.kill()
    bench.kill("pullback-backupd")
    bench.next_run("the command and its daemon killed")
    stop_load(t, bench.vm)


main(test)
