#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D8 where nobody listens: a guest write fails in QEMU while no daemon runs.  The
next daemon finds it in what QEMU has counted, and the backup is broken if it is of that
disk; a disk of which one failed before is read through QEMU."""

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.flushes import Flushes

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
    wait_until(lambda: daemon.info()["state"] == "broken", 20, "not broken")
    t.check("a write of the guest to disk vdb" in daemon.info()["reason"],
            f"{daemon.info()['reason']}")
    daemon.refuses("backup-commit", "vm1", saying=["vdb"])
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
