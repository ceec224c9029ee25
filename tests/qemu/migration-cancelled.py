#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A migration for which a backup has yielded, and which then is cancelled, or fails: the
virtual machine is where it was, nothing of the backup is left, and the next one
has all changes since the checkpoint before."""

from pullbacktest import (MIB, VM, Daemon, Disk, QmpError, main, need,
                          switch_on, wait_until)
from pullbacktest.migration import OVER

GRANULE = 65536


def write(vm, number):
    said = vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f"\"write {number * GRANULE} 4096\"")
    need(not said.strip(), f"qemu-io: {said}")


def cancel(vm):
    vm.qmp("migrate_cancel")


def let_fail(vm):
    """Whoever it is sent to goes."""
    vm.qmp("migrate-set-parameters", max_bandwidth=1 << 30)


def one(t, vm, daemon, uri, end, number):
    before = vm.state()
    write(vm, number)
    daemon.begin("--checkpoint", "lost", "--incremental", "mon")
    # So that it lasts; nothing is in that memory but zeros.
    vm.qmp("migrate-set-parameters", max_bandwidth=4096)
    vm.qmp("migrate", uri=uri)
    daemon.wait_ended("migration: ")
    daemon.assert_nothing_left()
    try:
        end(vm)
    except QmpError as error:
        t.check("failed" in uri, f"{error}")
    wait_until(lambda: vm.qmp("query-migrate")["status"] in OVER, 30,
               "the migration does not end")
    status = vm.qmp("query-migrate")["status"]
    t.check(status != "completed", f"{uri}: {status}")
    vm.assert_clean(before)
    disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"{uri}: {disk}")
    t.check(disk["dirty-bytes"] == (number + 1) * GRANULE,
            f"{uri}: {disk['dirty-bytes']} bytes")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    number = 0
    for capabilities in ((), ("events",), ("return-path", "multifd")):
        switch_on(vm, *capabilities)
        for uri, end in (("exec:cat >/dev/null", cancel),
                         ("exec:exec <&-; sleep 1", let_fail)):
            if "multifd" in capabilities:
                # It needs a socket, and there is none.
                uri, end = f"unix:{t.path('failed')}", let_fail
            one(t, vm, daemon, uri, end, number)
            number += 1
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
