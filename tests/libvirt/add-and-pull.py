#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary virtual machine of libvirt, which nobody has told of us: domain-add --libvirt,
a full backup of its raw and its qcow2 disk at one instant, then an incremental one.  Every
byte is there, and the machine has not been restarted, changed or defined anew.  QEMU is the
user whom Debian has for it, and libvirt gives it what it needs."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, need,
                          pull_onto_copies, start_load, stop_load)
from pullbacktest.clients import open_nbd
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 32 * MIB
SECTOR = SIZE // 512 - 8


def counter(disk):
    handle = open_nbd(disk["uri"])
    text = handle.pread(512, SECTOR * 512).rstrip(b"\0")
    handle.shutdown()
    return int(text or b"0")


def take(t, vm, daemon, name, *since):
    """Onto the copies of the backup before; the modes."""
    backup, references = freeze(t, vm, daemon, "--checkpoint", name, *since)
    modes = pull_onto_copies(t, backup, references, name)
    daemon.commit()
    vm.has_nothing_of_ours()
    return modes


def counts_alike(t, vm, daemon):
    """The guest counts on the one disk, then on the other."""
    vm.guest(f"marker sector={SECTOR} disk=vda disk=vdb")
    for _ in range(3):
        one, two = (counter(disk) for disk in daemon.begin()["disks"])
        t.check(one in (two, two + 1), f"vda has {one}, but vdb has {two}")
        daemon.abort()
    need(one > 2, "the guest did not count")
    vm.guest("stop")


def test(t):
    libvirtd = Libvirtd(t, as_debian=True)
    vm = Domain(libvirtd, [Disk("vda", "raw", SIZE),
                           Disk("vdb", "qcow2", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    pid, before = vm.pid, vm.virsh("dumpxml").stdout
    vm.add_to(daemon)
    info = daemon.cli("domain-info", "vm1")
    t.check(info["state"] == "running" and
            [disk["name"] for disk in info["disks"]] == ["vda", "vdb"],
            f"domain-info: {info}")
    start_load(t, vm, "rate=200")
    modes = take(t, vm, daemon, "mon")
    t.check(modes == {"vda": "full", "vdb": "full"}, f"mon: {modes}")
    modes = take(t, vm, daemon, "tue", "--incremental", "mon")
    t.check(modes == {"vda": "incremental", "vdb": "incremental"},
            f"tue: {modes}")
    stop_load(t, vm)
    counts_alike(t, vm, daemon)
    t.check(vm._pid_file().strip() == str(pid), "it runs in another QEMU")
    t.check(vm.virsh("dumpxml").stdout == before, "libvirt has it otherwise")
    vm.virsh("destroy")
    vm.has_ended()
    info = daemon.cli("domain-info", "vm1")
    t.check(info["state"] == "not running" and not info["disks"],
            f"domain-info of one that is off: {info}")
    daemon.refuses("backup-begin", "vm1", saying=["not running"])
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
