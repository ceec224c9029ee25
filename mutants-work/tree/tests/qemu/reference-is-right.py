#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The reference that all other tests compare with is the disk as the guest
sees it: for a paused VM it equals what QEMU's own NBD export of the live node
reads, and QEMU's own fleecing (without pullback) pulled later."""

import os

from pullbacktest import MIB, VM, Disk, main, nbdcopy, same


def fleece(t, vm, name):
    """QEMU's own way: a qcow2 overlay that old data goes to."""
    disk = vm.disks[name]
    overlay = Disk(f"scratch-{name}", "qcow2", disk.size)
    overlay.create(t.folder)
    vm.qmp("blockdev-add", driver="qcow2", node_name=overlay.node,
           backing=disk.node, file={"driver": "file",
                                    "filename": overlay.path})
    vm.qmp("blockdev-backup", job_id=f"job-{name}", device=disk.node,
           target=overlay.node, sync="none")
    vm.qmp("block-export-add", type="nbd", id=f"fleece-{name}",
           node_name=overlay.node, name=f"fleece-{name}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 96 * MIB),
                Disk("vdb", "qcow2", 96 * MIB)])
    for disk in vm.disks:
        vm.guest(f"load seed={t.random.randrange(1 << 30)} disk={disk}")
    server = t.path("q")
    for round_number in range(3):
        before = vm.guest("ping")
        t.check(before == {}, "ping answers")
        vm.pause()
        vm.qmp("nbd-server-start",
               addr={"type": "unix", "data": {"path": server}})
        for disk in vm.disks:
            vm.qmp("block-export-add", type="nbd", id=f"live-{disk}",
                   node_name=f"node-{disk}", name=f"live-{disk}")
            fleece(t, vm, disk)
            vm.reference_copy(disk, t.path(f"{disk}.ref"))
            nbdcopy(f"nbd+unix:///live-{disk}?socket={server}",
                    t.path(f"{disk}.live"))
            same(t.path(f"{disk}.ref"), t.path(f"{disk}.live"),
                 f"reference of {disk}")
            vm.qmp("block-export-del", id=f"live-{disk}")
        vm.resume()
        for disk in vm.disks:
            nbdcopy(f"nbd+unix:///fleece-{disk}?socket={server}",
                    t.path(f"{disk}.pull"))
            same(t.path(f"{disk}.ref"), t.path(f"{disk}.pull"),
                 f"QEMU's fleecing of {disk}")
            vm.qmp("block-export-del", id=f"fleece-{disk}", mode="hard")
            vm.qmp("job-cancel", id=f"job-{disk}")
            vm.qmp.wait_event("BLOCK_JOB_CANCELLED")
            vm.qmp("blockdev-del", node_name=f"node-scratch-{disk}")
            os.unlink(t.path(f"scratch-{disk}.qcow2"))
        vm.qmp("nbd-server-stop")
    stats = vm.guest("stop")
    t.check(stats["errors"] == 0, f"guest I/O errors: {stats}")
    t.check(stats["writes"] > 100 and stats["zeros"] and stats["discards"],
            f"the guest did too little: {stats}")
    t.say(f"guest: {stats}")


main(test)
