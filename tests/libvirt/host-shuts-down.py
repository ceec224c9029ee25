#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The host shuts down: virsh managedsave, as libvirt-guests has it, of a virtual machine that
has a backup, and the daemon is told to end, which its unit has it do first.  Then the machine
is saved at the first try; where both come at once it is, or runs on.  Nothing is left, and the
next incremental has all changes."""

import os
import signal

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, need,
                          pull_dirty, same, start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd


def both_end(t, vm, daemon, at_once):
    """Was it saved?"""
    daemon.process.send_signal(signal.SIGINT)
    if not at_once:
        daemon.process.wait(timeout=60)
    virsh = vm.libvirtd.begin("managedsave", vm.name)
    saved = virsh.wait(timeout=60) == 0
    status = daemon.process.wait(timeout=60)
    t.check(status == 0, f"the daemon ended with {status}")
    daemon.assert_nothing_left(20)
    return saved


def comes_back(t, vm, daemon, copy, saved):
    daemon.start()
    if saved:
        vm.close()
        vm.come_back("start")
    else:
        state = vm.virsh("domstate").stdout.strip()
        need(state == "running", f"neither saved nor running: {state}")
    vm.has_nothing_of_ours()
    backup, references = freeze(t, vm, daemon, "--incremental", "base")
    t.check(backup["disk"]["vda"]["mode"] == "incremental", f"{backup['disk']}")
    pull_dirty(backup["disk"]["vda"], copy)
    same(references["vda"], copy, "the incremental")
    daemon.abort()


def unit_ends_first(t):
    path = "backupd/systemd/pullback-backupd.service.in"
    with open(os.path.join(os.environ["PULLBACK_SRCDIR"], path)) as stream:
        after, = [line for line in stream if line.startswith("After=")]
    t.check("libvirt-guests.service" in after.split(), after)


def test(t):
    unit_ends_first(t)
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", 16 * MIB)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    copy = t.path("copy")
    start_load(t, vm, "rate=200")
    backup = daemon.begin("--checkpoint", "base")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()
    for at_once in False, True:
        daemon.begin("--checkpoint", "lost", "--incremental", "base")
        saved = both_end(t, vm, daemon, at_once)
        t.say(f"at once: {at_once}, saved: {saved}")
        t.check(saved or at_once, "it is not saved")
        comes_back(t, vm, daemon, copy, saved)
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
