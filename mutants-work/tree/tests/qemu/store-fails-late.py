#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The storage of the fleece stores has less room than its file system promises:
it takes all old data and loses some of it when the kernel writes back.  The
guest notices nothing, no pull shows anything but the frozen disk or EIO, the
backup says broken even where nobody has read, and is not committed."""

import errno

from pullbacktest import MIB, VM, Daemon, Disk, freeze, main, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.loopfs import LoopFS, forget_pages, private_namespace

DISK = 64 * MIB


def read_against(t, disk, reference):
    """Reads granule by granule: how many were refused; none may be wrong."""
    import nbd
    handle, refused = open_nbd(disk["uri"]), 0
    with open(reference, "rb") as stream:
        for offset in range(0, DISK, 65536):
            try:
                got = handle.pread(65536, offset)
            except nbd.Error as error:
                t.check(error.errnum == errno.EIO, f"{error}")
                refused += 1
                continue
            stream.seek(offset)
            t.check(got == stream.read(65536), f"wrong bytes at {offset}")
    return refused


def lose(t, fs, vm, pattern):
    for at in range(0, DISK // MIB, 16):
        vm.guest(f"write vda {at * MIB} {16 * MIB} {pattern}")
    forget_pages(fs.folder + "/vm1/vda.data")


def wait_until_broken(daemon):
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"the backup is not broken: {daemon.info()}")
    return daemon.info()["reason"]


def test(t):
    private_namespace()
    fs = LoopFS(t, t.path("store"), room=24 * MIB)
    vm = VM(t, [Disk("vda", "raw", DISK)])
    daemon = Daemon(t, scratch=fs.folder)
    daemon.add(vm)
    vm.guest(f"write vda 0 {DISK} 17")

    backup, references = freeze(t, vm, daemon)
    lose(t, fs, vm, 18)
    reason = wait_until_broken(daemon)
    t.check("fleece store of disk vda" in reason, reason)
    daemon.refuses("backup-commit", "vm1", saying=["vm1"])
    refused = read_against(t, backup["disk"]["vda"], references["vda"])
    t.check(refused == DISK // 65536, f"only {refused} granules were refused")
    vm.guest(f"write vda 0 {DISK} 19")
    daemon.abort()


main(test)
