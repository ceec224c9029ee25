#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""virsh reset, undefine and define of a virtual machine that runs and has a backup: the backup
goes on and shows what was frozen, and the next one is incremental, in the same QEMU."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, need, pull_dirty,
                          same, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd


def is_pulled(t, backup, references, copies):
    for name, disk in backup["disk"].items():
        if disk["mode"] == "full":
            nbdcopy(disk["uri"], copies[name])
        else:
            pull_dirty(disk, copies[name])
        same(references[name], copies[name], name)


def reset(vm):
    vm.guest.close()
    vm.virsh("reset")
    vm.meet_guest()
    vm.guest("verify seed=7 disk=vda rate=200")


def undefine(t, vm):
    """What defines it again."""
    path = t.path("again.xml")
    with open(path, "w") as stream:
        stream.write(vm.virsh("dumpxml", "--inactive").stdout)
    vm.virsh("undefine")
    return path


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 16 * MIB),
                           Disk("vdb", "qcow2", 16 * MIB)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    copies = {name: t.path(f"{name}.copy") for name in vm.disks}
    pid = vm.pid
    vm.guest("verify seed=5 disk=vda rate=200")

    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    reset(vm)
    is_pulled(t, backup, references, copies)
    daemon.commit()

    backup, references = freeze(t, vm, daemon, "--checkpoint", "tue",
                                "--incremental", "mon")
    path = undefine(t, vm)
    is_pulled(t, backup, references, copies)
    daemon.commit()
    # It is transient now, and has backups all the same.
    backup, references = freeze(t, vm, daemon, "--checkpoint", "wed",
                                "--incremental", "tue")
    libvirtd.virsh("define", path)
    is_pulled(t, backup, references, copies)
    t.check({disk["mode"] for disk in backup["disk"].values()} == {"incremental"},
            f"{backup['disk']}")
    daemon.commit()
    wait_until(lambda: daemon.cli("domain-info", "vm1")["state"] == "running", 20,
               "domain-info says otherwise")
    vm.guest("stop", deadline=300)
    said = vm.guest("report")
    t.check(not said["errors"] and not said["wrong"], f"the guest says {said}")
    need(int(vm._pid_file()) == pid, "it runs in another QEMU")
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
