#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""checkpoint-create and checkpoint-delete of a virtual machine of libvirt: its disks are known
by their targets, and bitmaps go with their checkpoint.  What a backup left that ended with
QEMU is merged back when the machine is started again."""

from pullbacktest import MIB, Daemon, Disk, main, need
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 4 * MIB


def has(t, vm, daemon, *names):
    """These checkpoints, the last of which records, and no bitmap besides."""
    listed = [(c["name"], c["state"]) for c in
              daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(listed == [(name, "committed") for name in names], f"{listed}")
    want = sorted((name, name == names[-1]) for name in names)
    for disk in vm.disks:
        t.check(vm.bitmaps(disk) == want, f"{disk}: {vm.bitmaps(disk)}, not {want}")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE), Disk("vdb", "qcow2", SIZE)],
                ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    for name in ("one", "two", "three"):
        made = daemon.cli("checkpoint-create", "vm1", name)
        t.check([disk["name"] for disk in made["disks"]] == ["vda", "vdb"], f"{made}")
    has(t, vm, daemon, "one", "two", "three")
    daemon.cli("checkpoint-delete", "vm1", "two")
    has(t, vm, daemon, "one", "three")
    daemon.cli("checkpoint-delete", "vm1", "three")
    has(t, vm, daemon, "one")

    backup = daemon.begin("--checkpoint", "lost", "--incremental", "one")
    need(backup["disk"]["vda"]["mode"] == "incremental", f"{backup}")
    vm.virsh("destroy", "--graceful")
    vm.has_ended()
    daemon.wait_ended("qemu-exited: ")
    vm.start()
    # The next that changes checkpoints settles what is half done.
    daemon.cli("checkpoint-create", "vm1", "next")
    has(t, vm, daemon, "one", "next")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
