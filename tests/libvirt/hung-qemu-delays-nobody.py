#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""A QEMU that hangs (SIGSTOP), with a backup and without: commands for it say so in time, those
for its neighbours on the same libvirtd are not delayed, and none that was given up
is carried out when it goes on."""

import os
import signal
import threading
import time

from pullbacktest import MIB, Daemon, Disk, main, need, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 4 * MIB
NEIGHBOURS = ["vm2", "vm3"]
# Of a machine that others use, too.
QUICK = 10.0


def timed(daemon, *words):
    start = time.monotonic()
    done = daemon.pullback(*words, check=False)
    return done, time.monotonic() - start


def neighbours_work(t, daemon, when):
    for name in NEIGHBOURS:
        for words in (["domain-info", name], ["backup-begin", name],
                      ["backup-abort", name]):
            done, seconds = timed(daemon, *words)
            t.check(done.returncode == 0 and seconds < QUICK,
                    f"{when}: {' '.join(words)} took {seconds:.1f} s: "
                    f"{done.stderr}")
            t.say(f"{when}: {' '.join(words)} {seconds:.2f} s")


def hangs(t, daemon, vm, when, has_backup=False):
    """Commands for it end, with a sentence, and hold nobody."""
    os.kill(vm.pid, signal.SIGSTOP)
    told = []
    asker = threading.Thread(target=lambda: told.append(
        timed(daemon, "domain-info", "vm1")))
    asker.start()
    neighbours_work(t, daemon, when)
    asker.join()
    done, seconds = told[0]
    t.say(f"{when}: domain-info of it {seconds:.1f} s: {done.stderr}")
    t.check(done.returncode != 0 and "vm1" in done.stderr, f"{done}")
    # libvirt says by now that an earlier command has no answer: no other is sent.
    for _ in range(2):
        done, seconds = timed(daemon, "domain-info", "vm1")
        t.check(done.returncode != 0 and seconds < 5 and
                (has_backup or "has not answered libvirt" in done.stderr),
                f"{when}: asked again, {seconds:.1f} s: {done}")


def test(t):
    libvirtd = Libvirtd(t)
    vms = [Domain(libvirtd, [Disk("vda", "raw", SIZE, path=t.path(f"{name}.raw"))],
                  name=name, ordinary=True, boot=False)
           for name in ["vm1", *NEIGHBOURS]]
    daemon = Daemon(t, within=libvirtd.within, env={"PULLBACK_HURRY": "10"})
    for vm in vms:
        vm.add_to(daemon, name=vm.name)
    neighbours_work(t, daemon, "before")
    hangs(t, daemon, vms[0], "without a backup")
    os.kill(vms[0].pid, signal.SIGCONT)
    wait_until(lambda: daemon.pullback("domain-info", "vm1", check=False)
               .returncode == 0, 60, "it goes on, but is not asked")

    daemon.begin()
    hangs(t, daemon, vms[0], "with a backup", has_backup=True)
    done, seconds = timed(daemon, "backup-commit", "vm1")
    t.check(done.returncode != 0 and seconds < 60, f"{seconds:.1f} s, {done}")
    os.kill(vms[0].pid, signal.SIGCONT)
    wait_until(lambda: daemon.pullback("backup-info", "vm1", check=False)
               .returncode == 0, 60, "its backup is gone")
    wait_until(lambda: daemon.pullback("backup-abort", "vm1", check=False)
               .returncode == 0, 60, "its backup is not ended")
    vms[0].has_nothing_of_ours()
    need(libvirtd.virsh("list").returncode == 0, "virsh list")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
