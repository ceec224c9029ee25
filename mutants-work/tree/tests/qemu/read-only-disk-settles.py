#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk comes back read-only while a backup's checkpoint waits to be merged back:
the other disks' backups go on, and once it can be written to it is merged."""

from pullbacktest import MIB, VM, Daemon, Disk, main


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    daemon.begin("--checkpoint", "tue", "--incremental", "mon")
    vm.quit()
    daemon.assert_nothing_left(deadline=30)
    vm.disks["vdb"].readonly = True
    vm.start()
    disks = daemon.begin("--incremental", "mon")["disk"]
    t.check({name: disk["mode"] for name, disk in disks.items()}
            == {"vda": "incremental"}, f"{disks}")
    daemon.abort()
    vm.quit()
    vm.disks["vdb"].readonly = False
    vm.start()
    disks = daemon.begin("--incremental", "mon")["disk"]
    t.check({name: disk["mode"] for name, disk in disks.items()}
            == {"vda": "incremental", "vdb": "incremental"}, f"{disks}")
    daemon.abort()
    daemon.cli("checkpoint-delete", "vm1", "mon")


main(test)
