#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D8: a guest write fails as QEMU's flush within it does, after a new table has got
into the image; QEMU takes that back, and may give its place to what the guest writes next.
It breaks a backup of that disk, which is read by its tables, and no other."""

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.flushes import Flushes, broken_by_write

SIZE = 64 * MIB


def test(t):
    flushes = Flushes(t)
    with flushes:
        vm = VM(t, [Disk(name, "qcow2", SIZE, direct=True,
                         options=["cluster_size=4k"]) for name in ("vda", "vdb")])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--disk", "vdb")
    flushes.failing_write(vm, "vda", 8 * MIB)
    daemon.commit()
    daemon.begin()
    flushes.failing_write(vm, "vdb", 16 * MIB)
    broken_by_write(t, daemon, "vdb", 10)


main(test)
