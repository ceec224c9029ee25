#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Postcopy, with a pause before the switch: the backup has yielded when the memory is
under way, the virtual machine goes at the first try, and where it has gone the
next incremental has all changes."""

from pullbacktest import (MIB, VM, Daemon, Destination, Disk, QmpError, Skip,
                          incremental_there, main, nbdcopy, need, start_load,
                          stop_load, switch_on, wait_until)

CAPABILITIES = ("postcopy-ram", "return-path", "events",
                "pause-before-switchover")


def status(vm):
    return vm.qmp("query-migrate").get("status")


def go(vm, there, daemon):
    """Its guest stands still meanwhile, see migrate_well."""
    vm.pause()
    vm.qmp("migrate-set-parameters", max_bandwidth=1 << 20)
    vm.qmp("migrate", uri=there.uri)
    wait_until(lambda: status(vm) == "active", 20, "it does not begin")
    vm.qmp("migrate-start-postcopy")
    daemon.wait_ended("migration: ")
    daemon.assert_nothing_left()
    vm.qmp("migrate-set-parameters", max_bandwidth=1 << 30)
    wait_until(lambda: status(vm) == "pre-switchover"
               or status(vm).startswith("postcopy"), 60, "no switch")
    if status(vm) == "pre-switchover":
        vm.qmp("migrate-continue", state="pre-switchover")
    wait_until(lambda: status(vm) in ("completed", "failed"), 60,
               lambda: f"it is {status(vm)}")
    need(status(vm) == "completed", f"the migration has {status(vm)}")
    there.take_over()
    there.resume()


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 16 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    copy = t.path("copy")
    start_load(t, vm, "rate=200")
    backup = daemon.begin("--checkpoint", "mon")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()
    daemon.begin("--checkpoint", "lost", "--incremental", "mon")
    try:
        switch_on(vm, *CAPABILITIES)
        there = Destination(t, vm, CAPABILITIES)
    except QmpError as error:
        raise Skip(f"this kernel or QEMU has no postcopy: {error}")
    go(vm, there, daemon)
    daemon.add(there, name="there")
    incremental_there(t, daemon, there, copy)
    stop_load(t, there)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
