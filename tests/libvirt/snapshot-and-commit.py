#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh snapshot-create-as --disk-only and blockcommit while a backup is open, and between
two: libvirt does what it is asked or refuses, the backup shows what was frozen, and what
the next one gives as changes makes an older copy right.  It is full only where the overlay
that the checkpoint was made on has been committed into another image."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy,
                          pull_onto_copies, same, start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


class Copies:
    """Of each disk, as of the last backup that was committed."""

    def __init__(self, t, daemon, vm):
        self.t, self.daemon, self.vm = t, daemon, vm
        self.last = None

    def begin(self, checkpoint):
        since = ["--incremental", self.last] if self.last else []
        backup, self.references = freeze(
            self.t, self.vm, self.daemon, "--checkpoint", checkpoint, *since)
        self.next, self.backup = checkpoint, backup
        self.disks = backup["disk"]
        self.t.say(f"{checkpoint}: " + ", ".join(
            f"{name} {disk['mode']} {disk['reason']}"
            for name, disk in self.disks.items()))

    def pull(self):
        pull_onto_copies(self.t, self.backup, self.references, self.next)

    def show_all(self, what):
        for name, disk in self.disks.items():
            nbdcopy(disk["uri"], self.t.path("whole"))
            same(self.references[name], self.t.path("whole"),
                 f"{what}, {name}")

    def commit(self):
        self.daemon.commit()
        self.vm.has_nothing_of_ours()
        self.last = self.next

    def is_full(self, *names):
        """Of these disks, and of no other."""
        full = {name for name, disk in self.disks.items()
                if disk["mode"] == "full"}
        self.t.check(full == set(names), f"{self.next}: full are {full}")

    def take(self, checkpoint, full=()):
        self.begin(checkpoint)
        self.is_full(*full)
        self.pull()
        self.commit()


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE),
                           Disk("vdb", "raw", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    copies = Copies(t, daemon, vm)
    start_load(t, vm, "rate=200")
    copies.take("mon", full=("vda", "vdb"))
    # Between two backups, and one on the overlay.
    vm.snapshot(t, "s1")
    copies.take("tue")
    vm.blockcommit()
    copies.take("wed", full=("vda", "vdb"))
    # While one is open.
    copies.begin("thu")
    copies.is_full()
    vm.snapshot(t, "s2")
    copies.show_all("snapshot")
    t.check(not vm.blockcommit(check=False), "blockcommit beside a backup")
    copies.show_all("blockcommit was refused")
    copies.pull()
    copies.commit()
    copies.take("fri")
    vm.blockcommit()
    copies.take("sat", full=("vda", "vdb"))
    # Both between two, and two overlays at once.
    vm.snapshot(t, "s3")
    vm.blockcommit()
    copies.take("sun")
    vm.snapshot(t, "s4")
    vm.snapshot(t, "s5")
    copies.take("eve")
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
