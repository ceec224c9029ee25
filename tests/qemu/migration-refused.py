#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--on-migrate=refuse: QEMU refuses to migrate or save a virtual machine that has a
backup, at once and saying why; the backup goes on, and after it, or after a daemon that
was killed, migrations are possible again.  Where QEMU promised that they
always are, the backup is refused."""

from pullbacktest import (MIB, VM, Daemon, Disk, QmpError, main, migrate,
                          nbdcopy, same)


def refused(t, vm, what):
    try:
        vm.qmp("migrate", uri="exec:cat >/dev/null")
        t.check(False, f"{what}: the migration was begun")
    except QmpError as error:
        t.check("open-backup" in str(error), f"{what}: {error}")
    t.check("open-backup" in vm.qmp.hmp("savevm now"), f"{what}: savevm")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 4 * MIB)], boot=False)
    before = vm.state()
    daemon = Daemon(t)
    daemon.add(vm)
    for end in (daemon.commit, daemon.abort):
        backup = daemon.begin("--on-migrate", "refuse")
        refused(t, vm, "a backup")
        nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
        same(vm.reference_copy("vda", t.path("ref")), t.path("copy"), "pull")
        end()
        vm.assert_clean(before)
    daemon.begin("--on-migrate", "refuse")
    daemon.kill9()
    refused(t, vm, "no daemon")
    daemon.start()
    daemon.abort()              # it was taken over
    daemon.refuses("backup-begin", "vm1", "--on-migrate", "sometimes",
                   saying=("sometimes", "refuse"))
    vm.assert_clean(before)
    t.check(migrate(vm, "exec:cat >/dev/null") == "completed",
            "refused after the backup")

    vm = VM(t, [Disk("vdb", "raw", MIB)], boot=False, more=["-only-migratable"])
    before = vm.state()
    daemon.add(vm, name="vm2")
    daemon.refuses("backup-begin", "vm2", "--on-migrate", "refuse",
                   saying=("vm2", "only-migratable", "abort-backup"))
    vm.assert_clean(before)
    daemon.begin(name="vm2")
    daemon.abort("vm2")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
