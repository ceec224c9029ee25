#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: slow
"""The daemon dies after each step of a restore's begin, commit and abort, written to
by a client, by its own copy (--differing-from), or not, and while it takes a restore over.
When the next one has started, an image that was there is the old disk, the whole new one, or
marked and listed; a new one is whole or not there; and nothing else is left: no process, socket or
temporary file."""

import os
import signal
import subprocess

from pullbacktest import Daemon, Failed, MIB, compare, main, run
from pullbacktest.differ import serve
from pullbacktest.liststeps import listed_steps
from pullbacktest.restore import (MARK, beside, restores, wait_restore,
                                  write_random)

SIZE = MIB
WRITTEN, COPIED = "written", "copied"
# From here on all is synced: the next daemon makes it whole (rule R5).
SYNCED = ("restore-note-commit", "restore-publish", "restore-unmark",
          "restore-definition", "restore-forget")
# The next daemon takes it over.
ADOPT = "restore-adopt"
GOES_ON = "restore-note-ready"


class Bench:
    def __init__(self, t):
        self.t = t
        self.source = write_random(t, t.path("source"), SIZE)
        self.before = write_random(t, t.path("before"), SIZE)
        self.daemon = Daemon(t)
        self.marked = self.servers = 0
        self.server = None

    def image(self, name):
        return self.t.path(f"{name}.raw")

    def restart(self, step=None):
        if self.daemon.process.poll() is None:
            self.daemon.terminate()
        self.daemon.env.pop("PULLBACK_STOP_AFTER", None)
        if step:
            self.daemon.env["PULLBACK_STOP_AFTER"] = step
        self.daemon.start()

    def start_to_die(self):
        try:
            self.daemon.start()
        except Failed:
            pass            # before it listens, or just after

    def differing_from(self):
        """nbdkit 1.32 may end when a client of it is killed: each has its own."""
        self.servers += 1
        self.server = serve(self.t, f"server{self.servers}", "file", self.source)
        self.server.killed = True
        return [word for disk in ("vda", "vdb") for word in (
            "--differing-from", f"{disk}={self.server.uri('')}")]

    def end_server(self):
        if self.server:
            self.server.end()
            self.server = None

    def go(self, job, step, kind, writes):
        """To a restore's end, or the daemon's."""
        words = ["--create", "raw", "--size", str(SIZE)] if kind == "new" \
            else ["--format", "raw"]
        if writes == COPIED:
            words += self.differing_from()
        done = self.daemon.cli("restore-begin", "one", "--image",
                               self.image("disk"), "--image",
                               self.image("other"), *words, check=False)
        if done.returncode == 0 and writes == COPIED:
            wait_restore(self.daemon, "one", "copied")
        elif done.returncode == 0 and writes:
            for disk in "vda", "vdb":
                run("nbdcopy", self.source, f"nbd+unix:///{disk}?socket="
                    f"{self.daemon.runtime}/.restore/one/nbd.sock", check=False)
        if job == ADOPT:
            self.daemon.kill9()
            self.daemon.env["PULLBACK_STOP_AFTER"] = step
            self.start_to_die()
        elif done.returncode == 0:
            end = "restore-abort" if job == "restore-abort" \
                else "restore-commit"
            self.daemon.cli(end, "one", check=False)

    def must_abort(self, step):
        try:
            status = self.daemon.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed(f"the daemon went on after {step}")
        if status != -signal.SIGABRT:
            raise Failed(f"{step}: the daemon ended with {status}")

    def look_at(self, what, name, kind, writes):
        path = self.image(name)
        left = beside(path)
        if kind == "new":
            whole = os.path.exists(path)
            self.t.check(left == ([f"{name}.raw"] if whole else []),
                         f"{what}: left {left}")
            if whole and writes:
                self.t.check(compare(path, self.source) is None,
                             f"{what}: {name} is not whole")
            return
        if os.path.exists(path + MARK):
            self.marked += 1
            self.t.check(restores(self.daemon) == {"one": "half"},
                         f"{what}: marked, but {restores(self.daemon)}")
            return
        self.t.check(left == [f"{name}.raw"], f"{what}: left {left}")
        self.t.check(compare(path, self.before) is None or
                     (writes and compare(path, self.source) is None),
                     f"{what}: {name} is half restored, and nothing says so")

    def one(self, job, step, kind, writes):
        what = f"{step} of {job}, {kind}, {writes or 'not written'}"
        for name in "disk", "other":
            for path in beside(self.image(name)):
                os.unlink(self.t.path(path))
            if kind == "old":
                run("cp", self.before, self.image(name))
        self.restart(step if job != ADOPT else None)
        self.go(job, step, kind, writes)
        self.must_abort(what)
        self.daemon.env.pop("PULLBACK_STOP_AFTER")
        self.daemon.start()
        goes_on = writes != COPIED and (job == ADOPT or step == GOES_ON)
        self.t.check((restores(self.daemon) == {"one": "ready"}) == goes_on,
                     f"{what}: {restores(self.daemon)}")
        if goes_on:
            # Of a begin that did not return nobody knew where to write.
            writes = writes if job == ADOPT else None
            self.daemon.cli(self.t.random.choice(["restore-abort",
                                                  "restore-commit"]), "one")
        self.end_server()
        self.t.check(not self.daemon.children(),
                     f"{what}: {self.daemon.children()}")
        for name in "disk", "other":
            self.look_at(what, name, kind, writes)
            if step in SYNCED and writes:
                self.t.check(not os.path.exists(self.image(name) + MARK) and
                             compare(self.image(name), self.source) is None,
                             f"{what}: {name} is not whole")
        if restores(self.daemon):
            self.daemon.cli("restore-abort", "one", "--forget")
        left = self.daemon.files_left()
        self.t.check(not left, f"{what}: left {left}")


def test(t):
    bench = Bench(t)
    done = 0
    for job, step in listed_steps():
        if not job.startswith("restore-"):
            continue
        for kind in "new", "old":
            for writes in None, WRITTEN, COPIED:
                if job == ADOPT and writes == COPIED:
                    continue
                bench.one(job, step, kind, writes)
                done += 1
    t.check(done >= 120, f"{done} deaths")
    t.check(bench.marked > 10, f"marked {bench.marked} times")
    t.say(f"{done} deaths, {bench.marked} images were marked")
    bench.restart()


main(test)
