#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""Where the scratch is full, the backup that breaks gives its room back at once, to
the last byte and in the figures, though nobody has aborted it and its guest goes
on writing: another one on the same file system, begun before, sees nothing of it, and
a third can be begun."""

import errno
import os
import time

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, nbdcopy, same,
                          start_load, stop_load, wait_until)
from pullbacktest.clients import fails, open_nbd
from pullbacktest.metrics import Metrics
from pullbacktest.obstacles import small_store

SOON = 10                       # seconds
ROOM = 6 * MIB


def free(folder):
    fs = os.statvfs(folder)
    return fs.f_bavail * fs.f_frsize


def wait_room(t, daemon, folder, want):
    begin = time.monotonic()
    wait_until(lambda: free(folder) >= want, 30,
               lambda: f"{free(folder)} bytes are free, want {want}: "
                       f"{daemon.info()}")
    took = time.monotonic() - begin
    t.say(f"room is back {took:.1f} s after it was broken")
    t.check(took < SOON, f"room was back after {took:.1f} s")


def check_broken(t, daemon, disks):
    """Listed as it was, with nothing to be read."""
    info = daemon.info()
    scratch = info["scratch"]
    t.check(info["state"] == "broken" and
            info["reason"].startswith("scratch-full: "), f"{info}")
    t.check(scratch["used"] == 0 and 2 * MIB < scratch["freed"] <= ROOM,
            f"{scratch}")
    t.check(scratch["host-used"] == 0, f"{scratch}")
    t.check(all(disk["fleece-bytes"] == 0 for disk in info["disks"]),
            f"{info['disks']}")
    for disk in disks.values():
        handle = open_nbd(disk["uri"], ["base:allocation"])
        for offset in range(0, disk["size"], 4 * MIB):
            fails(errno.EIO, lambda: handle.pread(MIB, offset))
        fails(errno.EIO, lambda: handle.block_status(
            disk["size"], 0, lambda *_: 0))
        handle.shutdown()
    metrics = Metrics(daemon.pullback("metrics").stdout)
    t.check(metrics.get("pullback_backup_scratch_used_bytes",
                        domain="vm1") == 0, "the metrics do not fall")
    said = daemon.pullback("backup-info", "vm1").stdout
    t.check("given back" in said, said)


def another(t, vm, daemon):
    """On the file system that was full, beside the broken one."""
    backup, references = freeze(t, vm, daemon, name="vm2")
    vm.guest(f"write vdo 0 {3 * MIB} 23")
    nbdcopy(backup["disk"]["vdo"]["uri"], t.path("vdo.copy"))
    same(references["vdo"], t.path("vdo.copy"), "the next backup")
    t.check(daemon.info("vm2")["scratch"]["used"] == 3 * MIB,
            daemon.info("vm2")["scratch"])
    daemon.commit("vm2")


def test(t):
    folder = small_store(t)
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)])
    other = VM(t, [Disk("vdo", "raw", 16 * MIB)], name="other")
    daemon = Daemon(t, scratch=folder, more=["--scratch-limit", "1G"])
    daemon.add(vm)
    daemon.add(other, name="vm2")
    for name in vm.disks:
        vm.guest(f"write {name} 0 {32 * MIB} 17")
    other.guest(f"write vdo 0 {16 * MIB} 19")
    before = free(folder)
    disks = daemon.begin("--checkpoint", "mon")["disk"]
    start_load(t, vm)
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"the backup is not broken: {daemon.info()}")
    # But for pages of the folder itself.
    wait_room(t, daemon, folder, before - 64 * 1024)
    check_broken(t, daemon, disks)
    another(t, other, daemon)
    t.check(free(folder) >= before - 64 * 1024, "the guest takes room again")
    stop_load(t, vm)
    daemon.abort()
    daemon.assert_nothing_left()
    last = daemon.cli("backup-list", "vm1", "--history")["history"][0]
    t.check(last["scratch-bytes"] > 2 * MIB, f"{last}")


main(test)
