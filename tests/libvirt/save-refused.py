#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh save of a virtual machine whose backup was begun with --on-migrate=refuse: QEMU
refuses it at once, saying why, libvirt lets the guest run on, and the backup goes
on.  After it the same command succeeds."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, same,
                          start_load, stop_load)
from pullbacktest.libvirtd import Domain, Libvirtd


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", 16 * MIB)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon",
                                "--on-migrate", "refuse")
    for verb, *more in (("save", t.path("saved")), ("managedsave",)):
        done = vm.virsh(verb, *more, check=False)
        t.check(done.returncode != 0 and "open-backup" in done.stderr,
                f"{verb}: {done.returncode}, {done.stderr}")
        state = vm.virsh("domstate").stdout.strip()
        t.check(state == "running", f"after {verb} it is {state}")
    stop_load(t, vm)
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "the pull")
    daemon.commit()
    vm.leave("save", t.path("saved"))
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
