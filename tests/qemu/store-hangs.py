#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: faults
"""The storage of the fleece stores hangs: the guest's writes wait for the limit
and then go on, without an error; the pull gets EIO, the backup says broken,
abort does not wait for the storage, a second domain does not notice, a new
backup is refused, and when the storage goes on nothing is left behind."""

import errno
import time

from pullbacktest import (MIB, VM, Daemon, Disk, check_disk_fields, freeze,
                          main, nbdcopy, need, pull_dirty, same, start_load,
                          stop_load, wait_until)
from pullbacktest.clients import open_nbd
from pullbacktest.loopfs import LoopFS, private_namespace

LIMIT = 6


def read_fails(disk):
    import nbd
    handle = open_nbd(disk["uri"])
    try:
        for offset in range(0, disk["size"], MIB):
            handle.pread(MIB, offset)
    except nbd.Error as error:
        return error.errnum
    return 0


def timed(t, most, what, call, *words):
    begin = time.monotonic()
    result = call(*words)
    took = time.monotonic() - begin
    t.say(f"{what}: {took:.1f} s")
    t.check(took < most, f"{what} took {took:.1f} s while the storage hangs")
    return result


def wait_until_broken(t, fs, daemon, disks):
    begin = time.monotonic()
    wait_until(lambda: daemon.info()["state"] == "broken", LIMIT + 25,
               lambda: f"the backup is not broken: {daemon.info()}")
    t.say(f"broken after {time.monotonic() - begin:.1f} s")
    reason = daemon.info()["reason"]
    t.check(f"took longer than {LIMIT} s" in reason and fs.folder in reason,
            f"the reason is {reason}")
    codes = {name: read_fails(disk) for name, disk in disks.items()}
    t.check(set(codes.values()) == {errno.EIO}, f"reads gave {codes}")


def test(t):
    private_namespace()
    fs = LoopFS(t, t.path("store"))
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    other = VM(t, [Disk("vdo", "raw", 16 * MIB)], name="other")
    daemon = Daemon(t, scratch=fs.folder,
                    more=["--sink-limit", str(LIMIT * 1000)])
    t.defer(fs.thaw)
    daemon.add(vm)
    daemon.add(other, name="vm2")
    for name in vm.disks:
        vm.guest(f"write {name} 0 {32 * MIB} 17")
        vm.guest(f"write {name} {32 * MIB} {32 * MIB} 19")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path(f"{name}.copy"))
        same(references[name], t.path(f"{name}.copy"), f"full of {name}")
    daemon.commit()
    before = vm.state()
    disks = daemon.begin("--checkpoint", "tue", "--incremental",
                         "mon")["disk"]
    start_load(t, vm)
    wait_until(lambda: daemon.info()["disks"][0]["fleece-bytes"] > MIB, 30,
               "no old data comes")

    fs.freeze()
    wait_until_broken(t, fs, daemon, disks)
    for name in vm.disks:
        vm.guest(f"write {name} {8 * MIB} {MIB} 18")
    daemon.refuses("backup-commit", "vm1", saying=["vm1"])
    stats = stop_load(t, vm)
    t.say(f"guest: {stats}")
    # Whoever comes later waits for none of it.
    t.check(stats["max-ms"] < 2 * LIMIT * 1000,
            f"a guest write waited {stats['max-ms']} ms")
    timed(t, 15, "abort", daemon.abort)
    t.check(not daemon.children(), f"left: {daemon.children()}")
    vm.assert_clean(before)
    timed(t, 25, "refused begin", lambda: daemon.refuses(
        "backup-begin", "vm1", saying=[fs.folder]))
    timed(t, 5, "another domain", daemon.cli, "checkpoint-list", "vm2")
    vm.assert_clean(before)

    fs.thaw()
    # Removers that were left to it.
    daemon.assert_nothing_left(deadline=20)
    backup, references = freeze(t, vm, daemon, "--checkpoint", "wed",
                                "--incremental", "mon")
    for name, disk in backup["disk"].items():
        check_disk_fields(t, disk, "incremental")
        need(pull_dirty(disk, t.path(f"{name}.copy")) > 0, "nothing dirty")
        same(references[name], t.path(f"{name}.copy"),
             f"{name} since mon, after a broken backup")
    daemon.commit()
    daemon.assert_nothing_left(20)


main(test)
