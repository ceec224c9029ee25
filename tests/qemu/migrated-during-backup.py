#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""A virtual machine is migrated while a backup of it is pulled and its guest writes:
the migration comes first.  The backup is aborted and says why, the guest sees no
error, and where it has gone to the next incremental has all changes."""

import subprocess
import time

from pullbacktest import (MIB, VM, Daemon, Destination, Disk,
                          incremental_there, main, migrate_well, nbdcopy,
                          start_load, stop_load, switch_on, wait_until)
from pullbacktest.control import Control

SIZE = 24 * MIB


def pull_for_ever(t, uri):
    """Somebody who reads and reads."""
    script = f"while nbdcopy '{uri}' {t.path('pulled')}; do :; done"
    return t.start("sh", "-c", script, stderr=subprocess.DEVNULL)


def ended(t, daemon):
    """The sentence that says how the last backup has."""
    wait_until(lambda: daemon.cli("backup-info", "vm1", check=False).returncode,
               20, "the backup goes on")
    return daemon.refuses("backup-info", "vm1", saying=("no backup",))


def time_of_yielding(control):
    """Of QEMU the backup has let go by then."""
    while True:
        message = control.read()
        if message.get("event") == "BACKUP_BROKEN":
            at = message["timestamp"]
            return at["seconds"] + at["microseconds"] / 1e6


def one(t, events):
    vm = VM(t, [Disk("vda", "qcow2", SIZE, path=t.path(f"vda{events:d}")),
                Disk("vdb", "raw", SIZE, path=t.path(f"vdb{events:d}"))])
    daemon = Daemon(t, name=f"{events:d}")
    daemon.add(vm)
    if events:
        switch_on(vm, "events")
    copy = t.path(f"copy{events:d}")
    start_load(t, vm, "rate=200")
    backup = daemon.begin("--checkpoint", "mon")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()

    backup = daemon.begin("--checkpoint", "tue", "--incremental", "mon")
    puller = pull_for_ever(t, backup["disk"]["vda"]["uri"])
    there = Destination(t, vm)
    with Control(daemon.socket) as control:
        began = time.time()
        migrate_well(vm, there)
        t.say(f"let go of QEMU {time_of_yielding(control) - began:.3f} s after "
              f"migrate, {'told by an event' if events else 'asking for it'}")
    said = ended(t, daemon)
    t.check("migration: " in said, f"why it has ended: {said}")
    puller.wait(timeout=60)
    t.say(f"{stop_load(t, there)}")

    daemon.add(there, name="there")
    start_load(t, there, "rate=200")
    daemon.refuses("backup-begin", "vm1", saying=("migrated",))
    backup = incremental_there(t, daemon, there, copy)
    t.check(backup["disk"]["vdb"]["mode"] == "full", "a bitmap of a raw disk "
            "that was not migrated")
    stop_load(t, there)
    t.check(sorted(b[:2] for b in there.state()["bitmaps"]["node-vda"]) ==
            [("mon", False), ("tue", True)], "bitmaps there")
    daemon.terminate()
    daemon.assert_nothing_left()
    there.quit()
    vm.quit()


def test(t):
    for events in (True, False):
        one(t, events)


main(test)
