#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disks of a virtual machine of libvirt that is shut off are restored by their names:
meanwhile libvirt cannot start it, afterwards virsh starts it with what was restored, and the
next backup is right.  One that runs, is paused or has its memory saved is not restored."""

import os

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, need,
                          pull_onto_copies)
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.restore import beside, restore_begin, restores

SIZE = 16 * MIB


def shut_off(vm):
    vm.virsh("destroy")
    vm.has_ended()


def backup(t, vm, daemon, name, *since):
    begun, references = freeze(t, vm, daemon, "--checkpoint", name, *since)
    pull_onto_copies(t, begun, references, name)
    daemon.commit()
    return {disk["name"]: disk for disk in begun["disks"]}


def is_refused(t, vm, daemon):
    def refuses(*words, saying):
        daemon.refuses("restore-begin", "vm1", *words, saying=saying)
        t.check(restores(daemon) == {}, f"{words}: {restores(daemon)}")

    refuses(saying=["shut it down"])
    vm.virsh("suspend")
    refuses(saying=["shut it down"])
    vm.virsh("managedsave")
    vm.has_ended()
    refuses(saying=["memory", "virsh managedsave-remove vm1"])
    vm.virsh("managedsave-remove")
    refuses("--disk", "vdx", saying=["vm1", "vdx"])
    refuses("--disk", "vdc", saying=["vdc", "shareable"])
    refuses("--disk", "vda=node", saying=["vda=node", "node"])
    refuses("--disk", "vda", "--disk", "vda", saying=["vda", "twice"])
    refuses("--format", "qcow2", saying=["--format", "--image"])


def look(vm):
    """What libvirt and the host know of the images."""
    return [(os.stat(disk.path).st_uid, os.stat(disk.path).st_gid,
             os.stat(disk.path).st_mode, os.stat(disk.path).st_ino)
            for disk in vm.disks.values()]


def restore(t, vm, daemon):
    before = look(vm)
    info = restore_begin(daemon, "vm1")
    t.check({d["name"]: (d["image"], d["format"]) for d in info["disks"]} ==
            {name: (vm.disks[name].path, vm.disks[name].form)
             for name in ("vda", "vdb")}, f"{info['disks']}")
    t.check({d["name"]: d["reason"].split()[0] for d in info["skipped"]} ==
            {"vdc": "shareable", "sda": "empty"}, f"{info['skipped']}")
    for disk in "vda", "vdb":
        nbdcopy(t.path(f"{disk}.copy"), info["uri"][disk])
    done = vm.virsh("start", check=False)
    t.check(done.returncode != 0 and "lock" in done.stderr,
            f"virsh start: {done.stderr}")
    daemon.cli("restore-commit", "vm1")
    t.check(look(vm) == before, f"{before} became {look(vm)}")
    for disk in vm.disks.values():
        left = beside(disk.path)
        need(left == [os.path.basename(disk.path)], f"left: {left}")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE), Disk("vdb", "raw", SIZE),
                           Disk("vdc", "raw", MIB, shareable=True)],
                ordinary=True, drives=["sda"])
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    vm.guest("mkfs vda")
    vm.guest(f"write vdb {MIB} {MIB} 1")
    backup(t, vm, daemon, "mon")
    vm.guest(f"write vda 0 {4 * MIB} 2")
    vm.guest(f"write vdb {MIB} {2 * MIB} 2")
    is_refused(t, vm, daemon)
    restore(t, vm, daemon)

    vm.virsh("start")
    vm.arrive()
    vm.meet_guest()
    vm.guest("mount vda")
    vm.guest("umount")
    vm.guest(f"write vda {6 * MIB} {MIB} 3")
    disks = backup(t, vm, daemon, "tue", "--incremental", "mon")
    t.check(disks["vda"]["mode"] == "incremental", f"{disks['vda']}")
    t.check(disks["vdb"]["mode"] == "full" and disks["vdb"]["reason"],
            f"{disks['vdb']}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
