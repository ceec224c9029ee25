#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D1: where QEMU's flush fails, or hangs, or what is dirty in the page cache cannot be
written out before it, tables in the image may be old: the disk is read through QEMU, and
rightly; where it cannot, as an iothread serves it, backup-begin is refused."""

import os
import shutil

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, same
from pullbacktest.flushes import Flushes

SIZE = 16 * MIB


def write(t, vm, name):
    """Into tables that QEMU keeps in memory."""
    device = f"/machine/peripheral/{name}/virtio-backend"
    for _ in range(20):
        offset = t.random.randrange(SIZE // 65536) * 65536
        said = vm.qmp.hmp(f'qemu-io -d {device} "write -P 5 {offset} 64k"')
        t.check(said == "", f"{name}: {said}")


def goes_through_qemu(t, vm, daemon, saying, spoil, heal):
    write(t, vm, "vda")
    spoil()
    backup = daemon.begin("--disk", "vda")
    source = daemon.info()["disks"][0]["source"]
    t.check(not source.startswith("qcow2"), f"{saying}: read by {source}")
    t.check(saying in daemon.log_text(), f"the log lacks {saying}")
    # While QEMU's flush hangs so do all reads of that disk.
    heal()
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    vm.pause()
    same(vm.reference_copy("vda", t.path("reference")), t.path("copy"),
         saying)
    daemon.commit()


class Sync:
    """What the daemon finds before the real one."""

    def __init__(self, t):
        self.folder, self.sign = t.path("bin"), t.path("sync-fails")
        os.mkdir(self.folder)
        path = os.path.join(self.folder, "sync")
        with open(path, "w") as stream:
            stream.write(f"#!/bin/sh\ntest -e {self.sign} && exit 1\n"
                         f'exec {shutil.which("sync")} "$@"\n')
        os.chmod(path, 0o755)

    def fail(self):
        with open(self.sign, "w"):
            pass

    def heal(self):
        os.unlink(self.sign)


def test(t):
    flushes, sync = Flushes(t), Sync(t)
    with flushes:
        vm = VM(t, [Disk("vda", "qcow2", SIZE, direct=True),
                    Disk("io", "qcow2", SIZE, direct=True, iothread=True)],
                boot=False)
    # It never runs: its BIOS would have each write flushed.
    daemon = Daemon(t, env={"PATH": sync.folder + ":" + os.environ["PATH"]})
    daemon.add(vm)
    goes_through_qemu(t, vm, daemon, "is not written out", sync.fail,
                      sync.heal)
    goes_through_qemu(t, vm, daemon, "flushed", flushes.hang, flushes.heal)
    goes_through_qemu(t, vm, daemon, "cannot be flushed", flushes.fail,
                      flushes.heal)
    write(t, vm, "io")
    flushes.fail()
    daemon.refuses("backup-begin", "vm1", "--disk", "io",
                   saying=["io", "cannot be read"])
    flushes.heal()
    daemon.begin()
    for disk in daemon.info()["disks"]:
        t.check(disk["source"].startswith("qcow2"), f"{disk}")
    daemon.commit()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
