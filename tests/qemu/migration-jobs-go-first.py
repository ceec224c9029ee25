#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""When a migration comes QEMU is rid of the backup's jobs before anything else of it goes:
of these alone the end of a migration fails, and it may be near."""

from pullbacktest import MIB, VM, Daemon, Disk, main, switch_on, wait_until


def test(t):
    # A format that is read through QEMU, so that there is an export.
    vm = VM(t, [Disk("vda", "qed", MIB), Disk("vdb", "qed", MIB)],
            boot=False)
    before = vm.state()
    daemon = Daemon(t)
    daemon.add(vm)
    switch_on(vm, "events")
    daemon.begin()
    vm.qmp("migrate-set-parameters", max_bandwidth=4096)
    vm.qmp.events.clear()
    vm.qmp("migrate", uri="exec:cat >/dev/null")
    daemon.wait_ended("migration: ")
    vm.qmp("migrate_cancel")
    wait_until(lambda: vm.qmp("query-migrate")["status"] == "cancelled", 20,
               "it is not cancelled")
    went = [event["event"] for event in vm.qmp.events if event["event"] in
            ("BLOCK_JOB_CANCELLED", "BLOCK_EXPORT_DELETED")]
    t.check(went == 2 * ["BLOCK_JOB_CANCELLED"] + 2 * ["BLOCK_EXPORT_DELETED"],
            f"in this order: {went}")
    vm.assert_clean(before)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
