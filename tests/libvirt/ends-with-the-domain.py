#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh shutdown and destroy of a virtual machine that has a backup: it ends at once, and
the backup with it and says why.  Started again, its next incremental has all changes
where the image kept them, and else is full with a reason."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy,
                          pull_dirty, same, start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def first_backup(t, vm, daemon, copy):
    backup = daemon.begin("--checkpoint", "base")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()


def comes_again(t, vm, daemon, copy, modes):
    """Whatever the mode, what is pulled makes the copy right."""
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "next",
                                "--incremental", "base")
    for name, mode in modes.items():
        disk = backup["disk"][name]
        t.check(disk["mode"] == mode and (mode != "full" or disk["reason"]),
                f"{name}: {disk['mode']}, {disk['reason']}")
        if mode == "full":
            nbdcopy(disk["uri"], t.path("full"))
        else:
            pull_dirty(disk, copy)
        same(references[name], t.path("full") if mode == "full" else copy, name)
    daemon.abort()
    stop_load(t, vm)


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE),
                           Disk("vdb", "raw", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    copy = t.path("copy")
    start_load(t, vm, "rate=200")
    first_backup(t, vm, daemon, copy)

    # Its guest knows no power button, but a line.
    daemon.begin("--checkpoint", "lost", "--incremental", "base")
    vm.virsh("shutdown")
    stop_load(t, vm)
    vm.guest.send("poweroff")
    vm.has_ended()
    daemon.wait_ended("guest-shutdown: ")
    daemon.assert_nothing_left(20)
    vm.start()
    comes_again(t, vm, daemon, copy, {"vda": "incremental", "vdb": "full"})

    # QEMU is asked to end, and not killed.
    daemon.begin("--checkpoint", "lost", "--incremental", "base")
    vm.virsh("destroy", "--graceful")
    vm.has_ended()
    daemon.wait_ended("qemu-exited: ")
    daemon.assert_nothing_left(20)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
