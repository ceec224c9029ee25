#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: waits
"""A QEMU that falls silent amid an abort, when its jobs are ended but not its nodes
of the sink, keeps the sink: closing such a node without it would hang QEMU."""

from pullbacktest import MIB, VM, Daemon, Disk, alive, main
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "raw", 32 * MIB)])
    before = vm.state()
    proxy = QmpProxy(t, vm, "mute", "hang-at-none=query-jobs", switched=True)
    daemon = Daemon(t, env=in_haste(4))
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    daemon.begin("--checkpoint", "one")
    sink = daemon.pid_of("sink")
    proxy.on()
    daemon.refuses("backup-abort", "vm1", saying=["abort it again"])
    t.check(vm.qmp("query-jobs") == [], "the jobs were to be ended")
    t.check(alive(sink), "the sink was ended under QEMU's nodes")
    proxy.off()
    daemon.abort()
    daemon.assert_nothing_left()
    vm.assert_clean(before)


main(test)
