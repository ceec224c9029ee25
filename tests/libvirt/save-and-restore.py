#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh save and managedsave of a virtual machine that has a backup, which is pulled
while the guest writes: it is saved, the backup ends and says why, and nothing of it
is left.  Restored, the guest goes on, and the next incremental has all changes."""

import subprocess

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy,
                          pull_dirty, same, start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def pull_for_ever(t, uri):
    """Somebody who reads and reads."""
    script = f"while nbdcopy '{uri}' {t.path('pulled')}; do :; done"
    return t.start("sh", "-c", script, stderr=subprocess.DEVNULL)


def check_chain(t, vm, daemon, copy):
    """The qcow2 disk's goes on; that of the raw one has gone with its QEMU."""
    backup, references = freeze(t, vm, daemon, "--checkpoint", "next",
                                "--incremental", "base")
    disk = backup["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"vda: {disk['reason']}")
    pull_dirty(disk, copy)
    same(references["vda"], copy, "the incremental of vda")
    disk = backup["disk"]["vdb"]
    t.check(disk["mode"] == "full" and disk["reason"],
            f"vdb: {disk['mode']}, {disk['reason']}")
    nbdcopy(disk["uri"], t.path("full"))
    same(references["vdb"], t.path("full"), "vdb")
    daemon.abort()


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE), Disk("vdb", "raw", SIZE)],
                ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    saved, copy = t.path("saved"), t.path("copy")
    start_load(t, vm, "rate=200")
    backup = daemon.begin("--checkpoint", "base")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()
    for save, restore in ((("save", saved), ("restore", saved)),
                          (("managedsave",), ("start",))):
        backup = daemon.begin("--checkpoint", "lost", "--incremental", "base")
        puller = pull_for_ever(t, backup["disk"]["vda"]["uri"])
        vm.leave(*save)
        daemon.wait_ended("migration: ")
        puller.wait(timeout=60)
        daemon.assert_nothing_left(20)
        vm.come_back(*restore)
        vm.has_nothing_of_ours()
        check_chain(t, vm, daemon, copy)
    stop_load(t, vm)
    t.check(vm.bitmaps("vda") == [("base", True)], "bitmaps of vda: "
            f"{vm.bitmaps('vda')}")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
