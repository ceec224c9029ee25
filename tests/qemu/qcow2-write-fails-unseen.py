#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D8 where nobody listens: a guest write fails in QEMU while no daemon runs.  The
next daemon finds it in what QEMU has counted, and the backup is broken if it is of that
disk; a disk of which one failed before is read through QEMU."""

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.flushes import Flushes, broken_by_write

SIZE = 64 * MIB


def unseen(vm, daemon, flushes, at, disk="vda"):
    daemon.kill9()
    flushes.failing_write(vm, disk, at)
    daemon.start()


def test(t):
    flushes = Flushes(t)
    with flushes:
        vm = VM(t, [Disk(name, "qcow2", SIZE, direct=True,
                         options=["cluster_size=4k"]) for name in ("vda", "vdb")])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--disk", "vdb")
    unseen(vm, daemon, flushes, 16 * MIB)
    daemon.commit()
    daemon.begin()
    daemon.kill9()
    daemon.start()
    ways = {disk["name"]: disk["source"] for disk in daemon.info()["disks"]}
    t.check(ways == {"vda": "relay", "vdb": "qcow2"}, f"{ways}")
    unseen(vm, daemon, flushes, 20 * MIB)
    daemon.commit()
    daemon.begin()
    unseen(vm, daemon, flushes, 24 * MIB, "vdb")
    broken_by_write(t, daemon, "vdb")


main(test)
