#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each night the same file, or volume, is the overlay of a snapshot, and committed.  libvirt
gives it bitmaps of the names that the image below has: they are no checkpoint's, though one
was made on that very file the night before.  What was written to the image below meanwhile
is not missed: the next one is full."""

import os

from pullbacktest import (MIB, Daemon, Disk, freeze, main, pull_onto_copies,
                          run)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def snapshot(vm, overlay):
    disk = vm.disks["vda"]
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b",
        disk.path, overlay, str(SIZE))
    vm.virsh("snapshot-create-as", "night", "--disk-only", "--no-metadata",
             "--reuse-external", "--diskspec", f"vda,file={overlay}")
    disk.below, disk.path = disk.path, overlay
    return os.stat(overlay).st_ino


def take(t, vm, daemon, name, *since):
    backup, references = freeze(t, vm, daemon, "--checkpoint", name, *since)
    modes = pull_onto_copies(t, backup, references, name)
    daemon.commit()
    return modes["vda"]


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    overlay = t.path("overlay")
    inode = snapshot(vm, overlay)
    vm.guest(f"write vda 0 {MIB} 1")
    take(t, vm, daemon, "mon")
    vm.guest(f"write vda {2 * MIB} {MIB} 2")
    vm.virsh("blockcommit", "vda", "--active", "--pivot", "--wait")
    vm.disks["vda"].path = vm.disks["vda"].below
    vm.guest(f"write vda {4 * MIB} {MIB} 3")
    t.check(snapshot(vm, overlay) == inode, "it is another file")
    vm.guest(f"write vda {6 * MIB} {MIB} 4")
    mode = take(t, vm, daemon, "tue", "--incremental", "mon")
    t.check(mode == "full", f"tue is {mode}")
    mode = take(t, vm, daemon, "wed", "--incremental", "tue")
    t.check(mode == "incremental", f"wed is {mode}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
