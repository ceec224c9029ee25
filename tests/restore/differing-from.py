#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""restore-begin --differing-from makes an image equal to another disk by writing what
differs. No commit before that is done, nor where it failed; what failed, was killed or
aborted leaves the image half restored, and begun again it copies what differs then.
A daemon that finds the copy of one that died ends it."""

import os
import signal

from pullbacktest import (Daemon, MIB, alive, kill, main, need, need_programs,
                          wait_until)
from pullbacktest.differ import (changed, random_disk, same_bytes, serve,
                                 write_sparse)
from pullbacktest.restore import (MARK, beside, copiers, restore_begin,
                                  restores, wait_restore)

SIZE = 24 * MIB
SLOW = ("--filter=rate", "rate=8M")


class Stage:
    def __init__(self, t):
        self.t, self.n = t, 0
        self.daemon = Daemon(t)
        self.source = random_disk(t.random, SIZE, 150)
        write_sparse(t.path("source"), self.source)

    def target(self, name):
        path = self.t.path(name)
        write_sparse(path, changed(self.t.random, self.source))
        return path

    def serve(self, *filters):
        self.n += 1
        server = serve(self.t, f"source{self.n}", *filters[:1], "file",
                       self.t.path("source"), *filters[1:])
        # nbdkit 1.32 may end when a client of it is killed.
        server.killed = True
        return server.uri("")

    def info(self, name):
        return self.daemon.cli("restore-info", name)

    def wait(self, name, state):
        wait_restore(self.daemon, name, state)

    def commit_fails(self, name, sentence):
        self.daemon.refuses("restore-commit", name, saying=(sentence,))

    def begin_slowly(self, name, *words, disk=""):
        """Returns when it has written something."""
        restore_begin(self.daemon, *words, disk + self.serve(*SLOW))
        wait_until(lambda: self.info(name)["disks"][0]["written"] > 0, 60,
                   "nothing is written")

    def copy_again(self, name, path, *words):
        restore_begin(self.daemon, *words, self.serve())
        self.wait(name, "copied")
        self.daemon.cli("restore-commit", name)
        same_bytes(path, self.source, f"{name}, begun again")
        need(beside(path) == [name + ".raw"], f"left {beside(path)}")

    def copier(self):
        """Its pid."""
        found = copiers()
        need(len(found) == 1, f"{found}")
        return found[0]


def copied(stage):
    uri = stage.serve()
    path = stage.target("one.raw")
    restore_begin(stage.daemon, "--image", path, "--format", "raw",
                  "--differing-from", uri)
    stage.wait("one", "copied")
    disk = stage.info("one")["disks"][0]
    copy = disk["copy"]
    need(copy["state"] == "equal" and copy["done"] == SIZE and disk["from"] == uri
         and 0 < copy["written"] < SIZE / 2, f"{disk}")
    stage.daemon.cli("restore-commit", "one")
    same_bytes(path, stage.source, "copied")
    need(beside(path) == ["one.raw"], f"left {beside(path)}")


def slow(stage):
    """It is not committed while it copies; aborted, it is half restored, and then begun
    again."""
    path = stage.target("two.raw")
    begin = ("--image", "vda=" + path, "--format", "raw", "--differing-from")
    stage.begin_slowly("two", *begin, disk="vda=")
    need(stage.info("two")["state"] == "copying", f"{stage.info('two')}")
    stage.commit_fails("two", "the restore two still copies")
    stage.daemon.cli("restore-abort", "two")
    need(restores(stage.daemon) == {"two": "half"}, f"{restores(stage.daemon)}")
    stage.copy_again("two", path, *begin)


def failed(stage):
    path = stage.target("three.raw")
    begin = ("--image", path, "--format", "raw", "--differing-from")
    restore_begin(stage.daemon, *begin, f"nbd+unix:///?socket={path}.no")
    stage.wait("three", "failed")
    reason = stage.info("three")["reason"]
    need("the source cannot be opened" in reason, reason)
    stage.commit_fails("three", "the source cannot be opened")
    stage.daemon.cli("restore-abort", "three")
    need(restores(stage.daemon) == {}, "nothing was written to it")
    for words in (("vdb=nbd://h",), ("nbd://h", "--differing-from", "vda=nbd://h")):
        stage.daemon.refuses("restore-begin", *begin, *words,
                             saying=("--differing-from",))
    stage.daemon.refuses("restore-begin", "--image", path, "--format", "raw",
                         "--verify", saying=("--verify", "--differing-from"))


def killed(stage):
    """What it has written makes the image half restored."""
    path = stage.t.path("three.raw")
    begin = ("--image", path, "--format", "raw", "--differing-from")
    stage.begin_slowly("three", *begin)
    kill(stage.copier())
    stage.wait("three", "failed")
    need("signal 9" in stage.info("three")["reason"], f"{stage.info('three')}")
    stage.commit_fails("three", "pullback-differ ended with signal 9")
    stage.daemon.cli("restore-abort", "three")
    need(restores(stage.daemon) == {"three": "half"} and
         os.path.exists(path + MARK), f"{restores(stage.daemon)}")
    stage.copy_again("three", path, *begin)


def daemon_killed(stage):
    """The next one ends it, be it one that hangs."""
    path = stage.target("four.raw")
    begin = ("--image", path, "--format", "raw", "--differing-from")
    stage.begin_slowly("four", *begin)
    pid = stage.copier()
    kill(pid, signal.SIGSTOP)
    stage.daemon.kill9()
    need(alive(pid), "it ends with the daemon")
    stage.daemon.start()
    need(restores(stage.daemon) == {"four": "half"} and
         os.path.exists(path + MARK), f"{restores(stage.daemon)}")
    need(not copiers(), f"{copiers()}")
    stage.copy_again("four", path, *begin)


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    copied(stage)
    slow(stage)
    failed(stage)
    killed(stage)
    daemon_killed(stage)
    need(restores(stage.daemon) == {}, f"left: {restores(stage.daemon)}")
    stage.daemon.terminate()


main(test)
