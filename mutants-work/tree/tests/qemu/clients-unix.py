#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock NBD clients work unchanged over a unix socket."""

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, start_load,
                          stop_load)
from pullbacktest.everyclient import all_clients


def test(t):
    vm = VM(t, [Disk("vda", "raw", 48 * MIB), Disk("vdb", "qcow2", 48 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=50")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for disk in backup["disks"]:
        t.check(disk["uri"].startswith("nbd+unix:///"), disk["uri"])
    all_clients(t, backup, references)
    daemon.commit()
    backup, references = freeze(t, vm, daemon, "--incremental", "mon")
    all_clients(t, backup, references)
    daemon.abort()
    stop_load(t, vm)


main(test)
