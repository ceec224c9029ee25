#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh backup-begin of which QEMU hears nothing yet, as it is stopped: libvirtd 9.0 may crash at
any command that comes then (libvirt-hold.h), so none is sent; who asks is told within seconds, and
what needs no QEMU goes on. libvirtd lives, and what libvirt began is done."""

import os
import signal
import time

from pullbacktest import MIB, Daemon, Disk, main, need, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.processes import alive

# Of the daemon's 2 s, on a machine that has much to do.
SOON_S = 15


def begin_theirs(t, libvirtd, status):
    path = t.path("theirs.xml")
    with open(path, "w") as stream:
        stream.write(f"""<domainbackup mode='pull'>
  <server transport='unix' socket='{t.path("m/theirs.sock")}'/></domainbackup>""")
    theirs = libvirtd.begin("backup-begin", "vm1", path)
    wait_until(lambda: has_begun(status), 20, "libvirt does not begin")
    return theirs


def has_begun(status):
    with open(status) as stream:
        return "async='backup'" in stream.read()


def is_told(t, daemon):
    for verb in "domain-info", "backup-begin":
        begin = time.monotonic()
        daemon.refuses(verb, "vm1", saying=("libvirt is beginning a backup of "
                                            "vm1", "try again"))
        took = time.monotonic() - begin
        t.check(took < SOON_S, f"{verb} took {took:.1f} s")
    daemon.cli("domain-list")
    daemon.cli("checkpoint-list", "vm1")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 16 * MIB),
                           Disk("vdb", "qcow2", 16 * MIB)], ordinary=True,
                boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    status = libvirtd.inside("/run/libvirt/qemu/vm1.xml")
    for linked in False, True:
        os.kill(vm.pid, signal.SIGSTOP)
        try:
            theirs = begin_theirs(t, libvirtd, status)
            is_told(t, daemon)
        finally:
            os.kill(vm.pid, signal.SIGCONT)
        need(theirs.wait(timeout=60) == 0, f"virsh failed, linked: {linked}")
        need(alive(libvirtd.pid), "libvirtd has crashed")
        vm.virsh("domjobabort")
        wait_until(lambda: not has_begun(status), 20, "libvirt's does not end")
        daemon.begin()
        daemon.abort()
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
