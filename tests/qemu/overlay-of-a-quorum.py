#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether a bitmap of a checkpoint's name is below cannot be told where what is there is no
chain of images: the disk is backed up whole.  One that is a quorum itself goes on as ever."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run

SIZE = 4 * MIB


def quorum(path, name):
    """Arguments for QEMU: a quorum of one."""
    run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
    return ("-blockdev", f"driver=qcow2,node-name={name}0,file.driver=file,"
            f"file.filename={path}",
            "-blockdev", f"driver=quorum,node-name={name},vote-threshold=1,"
            f"children.0={name}0")


def test(t):
    path = t.path("overlay")
    run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
    more = (*quorum(t.path("one"), "below"), *quorum(t.path("two"), "itself"),
            "-blockdev", "driver=qcow2,node-name=overlay,backing=below,"
            f"file.driver=file,file.filename={path}",
            "-device", "virtio-blk-pci,drive=overlay,id=vdo",
            "-device", "virtio-blk-pci,drive=itself,id=vdq")
    vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False, more=more)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "mon")
    disks = daemon.begin("--incremental", "mon")["disk"]
    daemon.abort()
    modes = {name: (disk["mode"], disk.get("reason") or "")
             for name, disk in disks.items()}
    t.check(modes == {"vda": ("incremental", ""), "vdq": ("incremental", ""),
                      "vdo": ("full", "active-layer-changed")}, f"{modes}")


main(test)
