#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A begin whose transaction QEMU ran, but did not answer in time, says that, and not
that its own job is another backup's."""

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste

HASTE = 5


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    before = vm.state()
    proxy = QmpProxy(t, vm, "late", "late=transaction")
    daemon = Daemon(t, env=in_haste(HASTE))
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    daemon.refuses("backup-begin", "vm1",
                   saying=["QEMU did not answer transaction"])
    daemon.assert_nothing_left()
    vm.assert_clean(before)


main(test)
