#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A QEMU that falls silent amid an abort is waited for once, not with each command
that the abort has left; the backup is kept, with its sink, and can be aborted when
QEMU answers again."""

import time

from pullbacktest import MIB, VM, Daemon, Disk, alive, main
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste

HASTE = 3
# One command's patience, and a little for all that come after it.
AT_MOST = 30 / HASTE + 15


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "raw", 32 * MIB)])
    before = vm.state()
    proxy = QmpProxy(t, vm, "mute", "hang-after=query-block-exports",
                     switched=True)
    daemon = Daemon(t, env=in_haste(HASTE))
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    daemon.begin("--checkpoint", "one")
    sink = daemon.pid_of("sink")
    proxy.on()
    started = time.monotonic()
    daemon.refuses("backup-abort", "vm1", saying=["abort it again"])
    took = time.monotonic() - started
    t.check(took < AT_MOST, f"the abort took {took:.1f} s")
    t.check(alive(sink), "the sink was ended")
    proxy.off()
    daemon.abort()
    daemon.assert_nothing_left()
    vm.assert_clean(before)


main(test)
