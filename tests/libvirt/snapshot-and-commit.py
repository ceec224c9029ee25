#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh snapshot-create-as --disk-only and blockcommit while a backup is open, and between
two: libvirt does what it is asked or refuses, the backup shows what was frozen, and what
the next one gives as changes makes an older copy right, or it is full."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy,
                          pull_dirty, same, start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


class Copies:
    """Of each disk, as of the last backup that was committed."""

    def __init__(self, t, daemon, vm):
        self.t, self.daemon, self.vm = t, daemon, vm
        self.last = None

    def path(self, name):
        return self.t.path(f"{name}.copy")

    def begin(self, checkpoint):
        since = ["--incremental", self.last] if self.last else []
        backup, self.references = freeze(
            self.t, self.vm, self.daemon, "--checkpoint", checkpoint, *since)
        self.next, self.disks = checkpoint, backup["disk"]
        self.t.say(f"{checkpoint}: " + ", ".join(
            f"{name} {disk['mode']} {disk['reason']}"
            for name, disk in self.disks.items()))

    def pull(self):
        for name, disk in self.disks.items():
            if disk["mode"] == "full":
                nbdcopy(disk["uri"], self.path(name))
            else:
                pull_dirty(disk, self.path(name))
            same(self.references[name], self.path(name),
                 f"{self.next}, {name}")

    def show_all(self, what):
        for name, disk in self.disks.items():
            nbdcopy(disk["uri"], self.t.path("whole"))
            same(self.references[name], self.t.path("whole"),
                 f"{what}, {name}")

    def commit(self):
        self.daemon.commit()
        self.vm.has_nothing_of_ours()
        self.last = self.next

    def take(self, checkpoint):
        self.begin(checkpoint)
        self.pull()
        self.commit()


def snapshot(t, vm, name):
    words = [word for disk in vm.disks.values() for word in
             ("--diskspec", f"{disk.name},file={t.path(disk.name + name)}")]
    vm.virsh("snapshot-create-as", name, "--disk-only", "--no-metadata",
             *words)
    for disk in vm.disks.values():
        disk.below, disk.path = (disk.path, disk.form), t.path(disk.name + name)
        disk.form = "qcow2"


def commit(vm, check=True):
    for disk in vm.disks.values():
        done = vm.virsh("blockcommit", disk.name, "--active", "--pivot",
                        "--wait", check=check)
        if done.returncode == 0:
            disk.path, disk.form = disk.below
    return done.returncode == 0


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE),
                           Disk("vdb", "raw", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    copies = Copies(t, daemon, vm)
    start_load(t, vm, "rate=200")
    copies.take("mon")
    # Between two backups, and one on the overlay.
    snapshot(t, vm, "s1")
    copies.take("tue")
    commit(vm)
    copies.take("wed")
    # While one is open.
    copies.begin("thu")
    snapshot(t, vm, "s2")
    copies.show_all("snapshot")
    done = commit(vm, check=False)
    copies.show_all(f"blockcommit was {'done' if done else 'refused'}")
    copies.pull()
    copies.commit()
    copies.take("fri")
    if not done:
        commit(vm)
    copies.take("sat")
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
