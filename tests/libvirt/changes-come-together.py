#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""A virtual machine ends and is started again while the daemon gets no processor: domain-list
says that it runs, though both lists of libvirt's come in one read."""

import os
import signal

from pullbacktest import MIB, Daemon, Disk, main, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

# How many changes libvirt tells together is a matter of chance.
ROUNDS = 3


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 4 * MIB)], ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)

    def runs():
        return daemon.cli("domain-list")["domains"][0]["state"] == "running"

    wait_until(runs, 20, "it does not run")
    for _ in range(ROUNDS):
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            vm.virsh("destroy")
            vm.virsh("start", "--paused")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        wait_until(runs, 10, "it runs, and domain-list says that it does not")


main(test)
