#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images change places, checkpoints are deleted meanwhile, then they change
back: no delta lacks what the deleted checkpoints had recorded."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main


def exchange(one, two):
    os.rename(one, one + ".x")
    os.rename(two, one)
    os.rename(one + ".x", two)


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    paths = [disk.path for disk in vm.disks.values()]

    def write(granule):
        vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                   f"\"write -P 7 {granule * 65536} 65536\"")

    daemon.cli("checkpoint-create", "vm1", "base")
    write(1)
    daemon.cli("checkpoint-create", "vm1", "mid", "--disk", "vda")
    write(2)
    daemon.cli("checkpoint-create", "vm1", "new")
    write(3)
    vm.quit()
    exchange(*paths)
    vm.start()
    for name in ("new", "mid"):
        daemon.cli("checkpoint-delete", "vm1", name)
    vm.quit()
    exchange(*paths)
    vm.start()
    disk = daemon.begin("--incremental", "base")["disk"]["vda"]
    t.check(disk["mode"] == "full", f"an incomplete chain: {disk}")
    daemon.abort()


main(test)
