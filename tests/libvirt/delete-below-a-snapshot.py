#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A checkpoint is deleted while virsh snapshot-create-as has put an overlay, to which libvirt gives
bitmaps of the same names, above its image: an older one stays good, and after virsh
blockcommit nothing of the deleted one is left."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, pull_onto_copies,
                          start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def take(t, vm, daemon, mode, what, *words):
    backup, references = freeze(t, vm, daemon, *words)
    modes = pull_onto_copies(t, backup, references, what)
    t.check(set(modes.values()) == {mode}, f"{what}: {modes}")
    daemon.commit()


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE),
                           Disk("vdb", "raw", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    start_load(t, vm, "rate=200")
    take(t, vm, daemon, "full", "first", "--checkpoint", "mon")
    daemon.cli("checkpoint-create", "vm1", "tue")

    vm.snapshot(t, "night")
    daemon.cli("checkpoint-delete", "vm1", "tue")
    take(t, vm, daemon, "incremental", "below a snapshot", "--incremental",
         "mon")

    vm.blockcommit()
    take(t, vm, daemon, "incremental", "committed", "--incremental", "mon")
    names = {disk: [name for name, _ in vm.bitmaps(disk)]
             for disk in vm.disks}
    t.check(names == {disk: ["mon"] for disk in vm.disks}, f"left: {names}")
    known = [c["name"] for c in
             daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(known == ["mon"], f"known: {known}")
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
