#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh migrate to another libvirtd on the same images while a backup is pulled: the
virtual machine goes, the backup ends and says why, nothing of it is left; and
where the machine has gone, the next incremental has all changes.  Each host has a daemon
of its own."""

import subprocess

from pullbacktest import (MIB, Daemon, Disk, incremental_there, main, nbdcopy,
                          start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd


def test(t):
    here, there = Libvirtd(t, "here"), Libvirtd(t, "there")
    vm = Domain(here, [Disk("vda", "qcow2", 16 * MIB)], ordinary=True)
    daemon = Daemon(t, within=here.within)
    vm.add_to(daemon)
    copy = t.path("copy")
    start_load(t, vm, "rate=200")
    backup = daemon.begin("--checkpoint", "mon")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()
    backup = daemon.begin("--checkpoint", "lost", "--incremental", "mon")
    script = f"while nbdcopy '{backup['disk']['vda']['uri']}' {copy}.2; do :; done"
    puller = t.start("sh", "-c", script, stderr=subprocess.DEVNULL)
    vm.migrate(there)
    daemon.wait_ended("migration: ")
    puller.wait(timeout=60)
    daemon.assert_nothing_left(20)
    other = Daemon(t, name="there", within=there.within)
    vm.add_to(other, "there")
    incremental_there(t, daemon, vm, copy, other)
    stop_load(t, vm)
    t.check(vm.bitmaps("vda") == [("mon", False), ("tue", True)],
            f"bitmaps there: {vm.bitmaps('vda')}")
    for one in daemon, other:
        one.terminate()
        one.assert_nothing_left()


main(test)
