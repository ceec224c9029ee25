#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two disks of one size whose images change places: their bitmaps have the
same names, yet each is another disk now and gets a full backup, also where
QEMU's name for the image is relative, or that of a descriptor it was passed."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main


def modes(daemon, name):
    backup = daemon.begin("--incremental", "mon", name=name)
    daemon.abort(name)
    return {name: (disk["mode"], disk["reason"])
            for name, disk in backup["disk"].items()}


def exchange(one, two):
    os.rename(one, one + ".x")
    os.rename(two, one)
    os.rename(one + ".x", two)


def swap(t, daemon, kind, disks):
    vm = VM(t, disks, boot=False)
    daemon.add(vm, name=kind)
    daemon.cli("checkpoint-create", kind, "mon")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vdb/virtio-backend "
               "\"write -P 7 0 1M\"")
    paths = [disk.path for disk in vm.disks.values()]
    vm.quit()
    vm.start()
    have = modes(daemon, kind)
    t.check(have == {name: ("incremental", "") for name in vm.disks},
            f"{kind}, after a restart: {have}")
    vm.quit()
    exchange(*paths)
    vm.start()
    swapped = modes(daemon, kind)
    t.check(swapped == {name: ("full", "disk-replaced") for name in vm.disks},
            f"{kind}, after the images changed places: {swapped}")
    # A new chain starts, and no range reaches across.
    daemon.cli("checkpoint-create", kind, "tue")
    again = modes(daemon, kind)
    t.check(all(mode == "full" for mode, _ in again.values()),
            f"{kind}: {again}")
    daemon.cli("domain-remove", kind, "--checkpoints-metadata")
    vm.end()


def test(t):
    daemon = Daemon(t)
    os.chdir(t.folder)
    for kind, path, fdset in (("absolute", t.path("{}.qcow2"), (None, None)),
                              ("relative", "{}-r.qcow2", (None, None)),
                              ("passed", t.path("{}-p.qcow2"), (1, 2))):
        swap(t, daemon, kind,
             [Disk("vda", "qcow2", 8 * MIB, path=path.format("a"),
                   fdset=fdset[0]),
              Disk("vdb", "qcow2", 8 * MIB, path=path.format("b"),
                   fdset=fdset[1])])


main(test)
