#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""restore-begin --differing-from makes two qcow2 images equal to a disk each, verified;
or one of them, while a client writes the other.  Where the daemon or qemu-storage-daemon
dies amid it both images are half restored, and begun again they are whole."""

import os

from pullbacktest import (MIB, Daemon, kill, main, need, need_programs, run,
                          wait_until)
from pullbacktest.differ import (changed, random_disk, same_bytes, serve,
                                 write_sparse)
from pullbacktest.restore import (MARK, beside, copiers, restore_begin, restores,
                                  storage_daemon, wait_restore)

SIZE = 24 * MIB
DISKS = ("vda", "vdb")


class Stage:
    def __init__(self, t):
        self.t, self.n = t, 0
        self.daemon = Daemon(t)
        self.sources = {disk: random_disk(t.random, SIZE, 150) for disk in DISKS}
        for disk, source in self.sources.items():
            write_sparse(t.path(disk + ".source"), source)
            write_sparse(t.path("raw"), changed(t.random, source))
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", t.path("raw"),
                self.image(disk))
        self.images = [word for disk in DISKS
                       for word in ("--image", f"{disk}={self.image(disk)}")]

    def image(self, disk):
        return self.t.path(disk + ".qcow2")

    def serve(self, disk, *filters):
        self.n += 1
        server = serve(self.t, f"source{self.n}", *filters[:1], "file",
                       self.t.path(disk + ".source"), *filters[1:])
        # nbdkit 1.32 may end when a client of it is killed.
        server.killed = True
        return server.uri("")

    def begin(self, *words, disks=DISKS, filters=()):
        sources = [word for disk in disks for word in (
            "--differing-from", f"{disk}={self.serve(disk, *filters)}")]
        return restore_begin(self.daemon, "two", *self.images, "--format",
                             "qcow2", *sources, *words)

    def commit(self, what):
        self.daemon.cli("restore-commit", "two")
        for disk, source in self.sources.items():
            path = self.image(disk)
            run("qemu-img", "check", "-q", "-f", "qcow2", path)
            run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path,
                self.t.path("raw"))
            same_bytes(self.t.path("raw"), source, f"{what}: {disk}")
            need(beside(path) == [disk + ".qcow2"], f"left {beside(path)}")

    def change(self):
        for disk in DISKS:
            run("qemu-io", "-f", "qcow2", "-c", "write -P 5 3M 9M",
                self.image(disk))

    def begin_slowly(self):
        self.change()
        self.begin(filters=("--filter=rate", "rate=8M"))
        wait_until(lambda: all(disk["written"] > 0 for disk in self.disks()), 60,
                   "nothing is written")
        need(len(copiers()) == 2, f"{copiers()}")

    def disks(self):
        return self.daemon.cli("restore-info", "two")["disks"]

    def is_half(self):
        need(restores(self.daemon) == {"two": "half"} and
             all(os.path.exists(self.image(disk) + MARK) for disk in DISKS),
             f"{restores(self.daemon)}")
        need(not copiers(), f"{copiers()}")


def copied(stage):
    stage.daemon.refuses("restore-begin", "two", *stage.images, "--format",
                         "qcow2", "--differing-from", stage.serve("vda"),
                         saying=("--differing-from", "DISK=URI"))
    stage.begin("--verify")
    wait_restore(stage.daemon, "two", "copied")
    for disk in stage.disks():
        copy = disk["copy"]
        need(copy["state"] == "equal" and copy["done"] == SIZE and
             0 < copy["written"] < SIZE / 2 and
             copy["verified"] >= copy["written"], f"{disk}")
    stage.commit("copied")


def one_of_two(stage):
    """The other is written by a client, as always."""
    stage.change()
    begun = stage.begin(disks=["vdb"])
    run("nbdcopy", "--flush", stage.t.path("vda.source"), begun["uri"]["vda"])
    wait_restore(stage.daemon, "two", "copied")
    need(["copy" in disk for disk in stage.disks()] == [False, True],
         f"{stage.disks()}")
    stage.commit("one of two")


def storage_killed(stage):
    stage.begin_slowly()
    kill(storage_daemon(stage.daemon, "two"))
    wait_restore(stage.daemon, "two", "broken")
    stage.daemon.refuses("restore-commit", "two", saying=("two", "qemu-storage-daemon",
                                 "begin it again"))
    stage.daemon.cli("restore-abort", "two")
    stage.is_half()


def daemon_killed(stage):
    stage.begin()
    wait_restore(stage.daemon, "two", "copied")
    stage.commit("after qemu-storage-daemon")
    stage.begin_slowly()
    stage.daemon.kill9()
    stage.daemon.start()
    stage.is_half()
    stage.begin()
    wait_restore(stage.daemon, "two", "copied")
    stage.commit("after the daemon")


def test(t):
    need_programs("nbdkit", "qemu-storage-daemon")
    stage = Stage(t)
    copied(stage)
    one_of_two(stage)
    storage_killed(stage)
    daemon_killed(stage)
    need(restores(stage.daemon) == {}, f"left: {restores(stage.daemon)}")
    stage.daemon.terminate()


main(test)
