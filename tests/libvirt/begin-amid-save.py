#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""backup-begin while virsh save is at work is refused with a sentence, and nothing is left of
it; when the machine has been restored it has its backup."""

import os
import signal
import threading

from pullbacktest import MIB, Daemon, Disk, Failed, main, need, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.processes import command_line, descendants

TRIES = 5


class Holder(threading.Thread):
    """Stops what writes libvirt's file of a machine that is saved, as soon as that is there."""

    def __init__(self):
        super().__init__()
        self.pid, self.ends = None, False

    def run(self):
        while self.pid is None and not self.ends:
            for pid in descendants(os.getpid()):
                if "libvirt_iohelper" in command_line(pid):
                    os.kill(pid, signal.SIGSTOP)
                    self.pid = pid

    def end(self):
        self.ends = True
        self.join()
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)


def save_held(t, vm):
    """virsh save, which does not come to its end, and who holds it."""
    for _ in range(TRIES):
        holder = Holder()
        holder.start()
        virsh = vm.libvirtd.begin("save", vm.name, t.path("saved"))
        try:
            wait_until(lambda: holder.pid or virsh.poll() is not None, 30,
                       "it is not saved")
            wait_until(lambda: virsh.poll() is not None or "Operation" in
                       vm.virsh("domjobinfo").stdout, 30, "it has no job")
            if virsh.poll() is None:
                return virsh, holder
        except Failed:
            holder.end()
            raise
        holder.end()
        vm.libvirtd.virsh("restore", t.path("saved"), "--running")
    raise Failed("it is saved too quickly")


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", 4 * MIB)], ordinary=True, boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    before = vm.state()
    virsh, holder = save_held(t, vm)
    try:
        daemon.refuses("backup-begin", "vm1", saying=["of vm1", "saved"])
        need(virsh.poll() is None, "it was saved meanwhile")
    finally:
        holder.end()
    need(virsh.wait(timeout=60) == 0, "virsh save fails")
    libvirtd.virsh("restore", t.path("saved"), "--running")
    vm.arrive()
    vm.assert_clean(before)
    daemon.begin()
    daemon.commit()
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
