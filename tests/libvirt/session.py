#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An ordinary user's own libvirt and virtual machine (qemu:///session), and his own daemon, which
is nobody else's: from domain-add to an incremental backup."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, pull_onto_copies,
                          start_load, stop_load, wait_until)
from pullbacktest.libvirtd import Domain
from pullbacktest.libvirtsession import LibvirtSession

SIZE = 16 * MIB


def take(t, vm, daemon, name, want, *since):
    backup, references = freeze(t, vm, daemon, "--checkpoint", name, *since)
    modes = pull_onto_copies(t, backup, references, name)
    t.check(set(modes.values()) == {want}, f"{name}: {modes}")
    daemon.commit()
    vm.has_nothing_of_ours()


def test(t):
    session = LibvirtSession(t)
    vm = Domain(session, [Disk("vda", "raw", SIZE),
                          Disk("vdb", "qcow2", SIZE)], ordinary=True)
    daemon = Daemon(t, name="session/home/pullback/", within=session.within)
    vm.add_to(daemon)
    start_load(t, vm, "rate=200")
    take(t, vm, daemon, "mon", "full")
    take(t, vm, daemon, "tue", "incremental", "--incremental", "mon")
    stop_load(t, vm)
    vm.virsh("destroy")
    vm.has_ended()
    wait_until(lambda: daemon.cli("domain-list")["domains"][0]["state"] ==
               "not running", 20, "it is not seen to be off")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
