#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two disks of one size whose images change places: their bitmaps have the
same names, yet each is another disk now and gets a full backup."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main


def modes(daemon, vm):
    backup = daemon.begin("--incremental", "mon")
    daemon.abort()
    return {name: (disk["mode"], disk["reason"])
            for name, disk in backup["disk"].items()}


def exchange(one, two):
    os.rename(one, one + ".x")
    os.rename(two, one)
    os.rename(one + ".x", two)


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "mon")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vdb/virtio-backend "
               "\"write -P 7 0 1M\"")
    paths = [disk.path for disk in vm.disks.values()]
    vm.quit()
    vm.start()
    same = modes(daemon, vm)
    t.check(same == {name: ("incremental", "") for name in vm.disks},
            f"after a restart: {same}")
    vm.quit()
    exchange(*paths)
    vm.start()
    swapped = modes(daemon, vm)
    t.check(swapped == {name: ("full", "disk-replaced") for name in vm.disks},
            f"after the images changed places: {swapped}")
    # A new chain starts, and no range reaches across.
    daemon.cli("checkpoint-create", "vm1", "tue")
    again = modes(daemon, vm)
    t.check(all(mode == "full" for mode, _ in again.values()), f"{again}")


main(test)
