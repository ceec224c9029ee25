#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirtd is stopped: whoever asks for a domain is told within seconds that libvirt does not
answer, and once libvirtd goes on, so does the daemon."""

import os
import signal
import time

from pullbacktest import MIB, Daemon, Disk, main, wait_until
from pullbacktest.libvirtd import Domain, Libvirtd

# Less than the 20 s after which libvirt's own library gives a connection up.
SOON_S = 17


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 8 * MIB)], ordinary=True,
                boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    daemon.begin()
    daemon.abort()
    os.kill(libvirtd.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        daemon.refuses("domain-info", "vm1", saying=("libvirt did not say",
                                                     "try again"))
        took = time.monotonic() - begin
        t.check(took < SOON_S, f"domain-info took {took:.1f} s")
        begin = time.monotonic()
        daemon.refuses("backup-begin", "vm1")
        took = time.monotonic() - begin
        t.check(took < SOON_S, f"backup-begin took {took:.1f} s")
        daemon.cli("domain-list")
    finally:
        os.kill(libvirtd.pid, signal.SIGCONT)
    wait_until(lambda: daemon.pullback("domain-info", "vm1", check=False)
               .returncode == 0, 60, "domain-info does not come back")
    daemon.begin()
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
