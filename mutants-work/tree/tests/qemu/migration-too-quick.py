#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A migration that is over before the backup could yield, as of a paused virtual machine
that has next to no memory: it fails, or not; what it finds the next time is no backup.
The changes are all in the next incremental."""

from pullbacktest import (MIB, VM, Daemon, Disk, main, migrate, need,
                          switch_on, wait_until)


def gone(daemon):
    return daemon.cli("backup-info", "vm1", check=False).returncode != 0


def write(vm, offset):
    said = vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f"\"write {offset} 4096\"")
    need(not said.strip(), f"qemu-io: {said}")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    failed = 0
    for n, events in enumerate((False, True)):
        if events:
            switch_on(vm, "events")
        before = vm.state()
        write(vm, n * MIB)
        daemon.begin("--checkpoint", "tue", "--incremental", "mon")
        failed += migrate(vm, "exec:cat >/dev/null") == "failed"
        wait_until(lambda: gone(daemon), 20, "the backup goes on")
        daemon.refuses("backup-info", "vm1", saying=("migration: ",))
        vm.resume()
        vm.pause()
        vm.assert_clean(before)
        t.check(migrate(vm, "exec:cat >/dev/null") == "completed",
                "it fails again")
        vm.resume()
        vm.pause()
        vm.assert_clean(before)
    t.say(f"{failed} of 2 failed at first")
    disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"{disk}")
    t.check(disk["dirty-bytes"] == 2 * 65536, f"{disk['dirty-bytes']} bytes")
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
