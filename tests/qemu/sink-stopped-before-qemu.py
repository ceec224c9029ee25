#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A sink that is stopped before QEMU has connected to it: QEMU does nothing else while it
connects.  The daemon tells it to go on at once; where the daemon is stopped, too, QEMU
gives up soon, and backup-begin is refused."""

import signal
import time

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, wait_until
from pullbacktest.fakeqmp import QmpProxy


def begin_with_stopped_sink(t, vm, daemon, proxy, also=()):
    """backup-begin, what it said, and how long QEMU was silent."""
    proxy.hold("blockdev-add")
    with open(t.path("said"), "w") as said:
        begin = t.start("pullback", "--socket", daemon.socket, "backup-begin",
                        "vm1", stderr=said)
    wait_until(proxy.holds, 20, "QEMU is not told of the sink")
    sinks = [pid for pid, command in daemon.children() if "role=sink" in command]
    t.check(len(sinks) == 1, f"sinks: {sinks}")
    for pid in (sinks[0], *also):
        kill(pid, signal.SIGSTOP)
    proxy.off()
    worst, end = 0, time.monotonic() + 30
    while begin.poll() is None and worst < 1 and time.monotonic() < end:
        start = time.monotonic()
        vm.qmp("query-status")
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.01)
    for pid in also:
        kill(pid, signal.SIGCONT)
    status = begin.wait(timeout=60)
    with open(t.path("said")) as stream:
        return status, stream.read(), worst


def test(t):
    vm = VM(t, [Disk("vda", "raw", 16 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "proxy", "hold", switched=True)
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    before = vm.state()
    status, said, worst = begin_with_stopped_sink(t, vm, daemon, proxy)
    t.check(status == 0, f"the daemon is there: {said}")
    t.check(worst < 10, f"QEMU did not answer for {worst:.1f} s")
    daemon.abort()
    vm.assert_clean(before)
    status, said, worst = begin_with_stopped_sink(t, vm, daemon, proxy,
                                                  [daemon.pid])
    t.check(status != 0 and "Connection attempt cancelled by timeout" in said,
            f"the daemon is stopped: {status}, {said}")
    t.check(1 < worst < 15, f"QEMU did not answer for {worst:.1f} s")
    vm.assert_clean(before)
    daemon.assert_nothing_left()


main(test)
