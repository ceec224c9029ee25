#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""As many QEMUs hang as libvirtd has workers, and each is asked for something: some workers are
left for others, until the QEMUs go on.  Who is not asked says why, in time."""

import concurrent.futures
import os
import signal
import time

from pullbacktest import MIB, Daemon, Disk, main, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

# One more than LIBVIRT_TURNS of libvirt-turn.h.
WORKERS = 6
HUNG = [f"hung{i}" for i in range(WORKERS)]


def machine(t, libvirtd, name):
    return Domain(libvirtd, [Disk("vda", "raw", MIB, path=t.path(f"{name}.raw"))],
                  name=name, ordinary=True, boot=False)


def ask(daemon, names):
    """domain-info of all at once; what those said that failed."""
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: daemon.pullback(
            "domain-info", name, check=False).stderr, names))


def test(t):
    libvirtd = Libvirtd(t, more=f"max_workers = {WORKERS}")
    healthy = machine(t, libvirtd, "healthy")
    hung = [machine(t, libvirtd, name) for name in HUNG]
    daemon = Daemon(t, within=libvirtd.within, env={"PULLBACK_HURRY": "10"})
    daemon.cli("domain-add", "--libvirt", libvirtd.uri, "--all")
    for vm in hung:
        os.kill(vm.pid, signal.SIGSTOP)
    try:
        for when in ("once", "again"):
            begin = time.monotonic()
            told = ask(daemon, HUNG)
            t.say(f"{when}: {time.monotonic() - begin:.1f} s: {told}")
            t.check(all(told), f"{when}: hung, and answered: {told}")
            t.check(any("other virtual machines of libvirt" in one for one in told),
                    f"{when}: all were asked: {told}")
            # Whom the daemon has given up still has libvirtd's worker.
            libvirtd.virsh("qemu-monitor-command", "healthy",
                           '{"execute": "query-status"}', timeout=10)
    finally:
        for vm in hung:
            os.kill(vm.pid, signal.SIGCONT)
    for name in [healthy.name, *HUNG]:
        wait_until(lambda: daemon.pullback("domain-info", name, check=False)
                   .returncode == 0, 20, f"{name} is not asked again")


main(test)
