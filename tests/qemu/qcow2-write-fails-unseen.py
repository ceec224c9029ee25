#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D8 where nobody listens: a guest write fails in QEMU while no daemon runs.  The
next daemon finds it in what QEMU has counted, and the backup is broken if it is of that
disk; one that failed before it began breaks none."""

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.flushes import Flushes

SIZE = 64 * MIB


def unseen(vm, daemon, flushes, at):
    daemon.kill9()
    flushes.failing_write(vm, "vda", at)
    daemon.start()


def test(t):
    flushes = Flushes(t)
    with flushes:
        vm = VM(t, [Disk("vda", "qcow2", SIZE, direct=True,
                         options=["cluster_size=4k"]),
                    Disk("vdb", "qcow2", SIZE)])
    daemon = Daemon(t)
    daemon.add(vm)
    flushes.failing_write(vm, "vda", 8 * MIB)
    daemon.begin("--disk", "vdb")
    unseen(vm, daemon, flushes, 16 * MIB)
    daemon.commit()
    daemon.begin()
    daemon.kill9()
    daemon.start()
    daemon.commit()
    daemon.begin()
    unseen(vm, daemon, flushes, 24 * MIB)
    wait_until(lambda: daemon.info()["state"] == "broken", 20, "not broken")
    t.check("a write of the guest to disk vda" in daemon.info()["reason"],
            f"{daemon.info()['reason']}")
    daemon.refuses("backup-commit", "vm1", saying=["vda"])
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
