#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: faults
"""--scratch-limit of a backup, and of all together, under a guest that writes:
events at 70 and 90 percent, then the backup is broken and the guest goes on,
with the daemon dead, too; the store never takes more."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, main, start_load, stop_load,
                          wait_until)
from pullbacktest.control import Control
from pullbacktest.fleece import read_figures, read_map

LIMIT = 6 * MIB


class Events:
    def __init__(self, t, daemon):
        self.control = Control(daemon.socket).connect()
        t.defer(self.control.close)

    def next(self):
        event = {"event": ""}
        while event["event"] not in ("BACKUP_SCRATCH", "BACKUP_BROKEN"):
            event = self.control.read()
        return event["event"], event["data"]


def taken(daemon, vm):
    return sum(os.stat(f"{daemon.scratch}/vm1/{name}.data").st_blocks
               for name in vm.disks) * 512


def wait_broken(t, daemon, vm, saying):
    wait_until(lambda: daemon.info()["state"] == "broken", 60,
               lambda: f"the backup is not broken: {daemon.info()}")
    info = daemon.info()
    for word in ("scratch-full: ", saying):
        t.check(word in info["reason"], f"want {word}: {info['reason']}")
    stored = info["scratch"]["used"] + info["scratch"]["freed"]
    t.check(LIMIT - 2 * MIB < stored <= LIMIT,
            f"{info['scratch']}, the limit is {LIMIT}")
    t.check(taken(daemon, vm) <= LIMIT + 64 * 1024, f"{taken(daemon, vm)}")
    daemon.refuses("backup-commit", "vm1", saying=["scratch-full"])


def of_the_backup(t, daemon, vm):
    events = Events(t, daemon)
    backup = daemon.begin("--scratch-limit", str(LIMIT))
    t.check(backup["scratch"]["limit"] == LIMIT, f"{backup['scratch']}")
    for at in range(4):
        vm.guest(f"write vda {at * MIB} {MIB} 21")
    t.check(daemon.info()["state"] == "ready", daemon.info())
    for percent, at in ((70, 4), (90, 5)):
        vm.guest(f"write vdb {at * MIB} {MIB * 3 // 4} 21")
        name, data = events.next()
        t.check(name == "BACKUP_SCRATCH" and data["percent"] == percent and
                data["limit"] == LIMIT and data["of"] == "backup" and
                percent <= data["used"] * 100 / LIMIT <= 100,
                f"{name} {data}, want {percent}")
    start_load(t, vm)
    name, data = events.next()
    t.check(name == "BACKUP_BROKEN" and "scratch-full: " in data["reason"],
            f"{name} {data}")
    wait_broken(t, daemon, vm, f"this backup, {LIMIT} bytes")
    daemon.abort()
    stop_load(t, vm)


def of_all(t, daemon, vm):
    """The daemon is dead when it is reached: the sink knows by itself."""
    daemon.begin("--scratch-limit", "1T")
    maps = f"{daemon.runtime}/.maps/vm1"
    sink = daemon.pid_of("sink")
    daemon.kill9()
    start_load(t, vm)

    def is_broken():
        return any(read_map(f"{maps}/{name}.present")[1] for name in vm.disks)
    wait_until(is_broken, 60, "the sink goes on storing")
    used, _, exceeded = read_figures(maps)
    t.check(LIMIT - 2 * MIB < used <= LIMIT and exceeded == 2,
            f"{used} bytes, limit {exceeded}")
    t.check(taken(daemon, vm) <= LIMIT + 64 * 1024, f"{taken(daemon, vm)}")
    t.check(os.path.exists(f"/proc/{sink}"), "the sink has ended")
    stop_load(t, vm)
    daemon.start()
    wait_broken(t, daemon, vm, f"all backups together, {LIMIT} bytes")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "raw", 64 * MIB)])
    daemon = Daemon(t, more=["--scratch-limit", "1G"])
    daemon.add(vm)
    for name in vm.disks:
        vm.guest(f"write {name} 0 {64 * MIB} 17")
    daemon.refuses("backup-begin", "vm1", "--scratch-limit", "65535",
                   saying=["--scratch-limit", "65535"])
    of_the_backup(t, daemon, vm)
    daemon.assert_nothing_left()
    daemon.more = ["--scratch-limit", str(LIMIT)]
    daemon.terminate()
    daemon.start()
    of_all(t, daemon, vm)
    daemon.assert_nothing_left(60)


main(test)
