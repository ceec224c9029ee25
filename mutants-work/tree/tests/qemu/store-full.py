#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: faults
"""The fleece store is full: the guest's writes succeed, the pull gets EIO,
the backup says broken, and abort merges the checkpoint back, so that the next
incremental backup covers both."""

import errno
import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, check_disk_fields, freeze,
                          main, nbdcopy, need, pull_dirty, same, start_load,
                          stop_load, wait_until)
from pullbacktest.clients import open_nbd
from pullbacktest.obstacles import small_store


def read_fails(disk):
    import nbd
    handle = open_nbd(disk["uri"])
    try:
        for offset in range(0, disk["size"], MIB):
            handle.pread(MIB, offset)
    except nbd.Error as error:
        return error.errnum
    return 0


def test(t):
    folder = small_store(t)
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t, scratch=folder)
    daemon.add(vm)
    for name in vm.disks:
        # Zeros cost the store nothing: old data must be data.
        vm.guest(f"write {name} 0 {32 * MIB} 17")
        vm.guest(f"write {name} {32 * MIB} {32 * MIB} 19")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path(f"{name}.copy"))
        same(references[name], t.path(f"{name}.copy"), f"full of {name}")
    daemon.commit()
    for name in vm.disks:
        vm.guest(f"write {name} {8 * MIB} {MIB} 18")
    before = vm.state()
    disks = daemon.begin("--checkpoint", "tue", "--incremental",
                         "mon")["disk"]
    start_load(t, vm)
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"the backup is not broken: {daemon.info()}")
    t.check(daemon.info().get("reason"), "broken, but no reason is given")
    codes = {name: read_fails(disk) for name, disk in disks.items()}
    t.check(errno.EIO in codes.values(), f"reads gave {codes}")
    t.check(set(codes.values()) <= {errno.EIO}, f"reads gave {codes}, a "
            "broken backup must not look like a good one")
    daemon.refuses("backup-commit", "vm1", saying=["vm1"])
    daemon.abort()
    daemon.assert_nothing_left()
    vm.assert_clean(before)
    stop_load(t, vm)
    for name in vm.disks:
        shutil.copyfile(t.path(f"{name}.copy"), t.path(f"{name}.next"))

    backup, references = freeze(t, vm, daemon, "--checkpoint", "wed",
                                "--incremental", "mon")
    for name, disk in backup["disk"].items():
        check_disk_fields(t, disk, "incremental")
        need(pull_dirty(disk, t.path(f"{name}.next")) > 0, "nothing dirty")
        same(references[name], t.path(f"{name}.next"),
             f"{name} since mon, after a broken backup")
    daemon.commit()


main(test)
