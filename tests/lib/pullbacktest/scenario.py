# SPDX-License-Identifier: LGPL-2.1-or-later
"""What several tests do alike."""

import time

from .clients import dirty_map, nbdcopy, pull_dirty, same


def start_load(t, vm, more="", disks=None):
    """Random writes, zero writes and discards on all disks until stop."""
    for name in disks or vm.disks:
        seed = t.random.randrange(1 << 30)
        vm.guest(f"load seed={seed} disk={name} {more}")


def stop_load(t, vm):
    """Ends the load; the guest must not have seen one I/O error."""
    stats = vm.guest("stop")
    t.check(stats["errors"] == 0, f"the guest saw I/O errors: {stats}")
    t.check(vm.guest("errors")["errors"] == 0, "the guest saw I/O errors")
    return stats


def freeze(t, vm, daemon, *words, name="vm1"):
    """backup-begin in a paused VM, so that what it freezes is known: the
    backup, and {disk: path of the bytes it must show}."""
    vm.pause()
    try:
        backup = daemon.begin(*words, name=name)
        references = {disk: vm.reference_copy(disk, t.path(f"{disk}.ref"))
                      for disk in backup["disk"]}
    finally:
        vm.resume()
    return backup, references


def pull_onto_copies(t, backup, references, what):
    """What freeze gave, onto the copies that the backup before left, as each disk's mode
    has it; the modes.  Every byte must be that of REFERENCES."""
    for disk in backup["disks"]:
        copy = t.path(f"{disk['name']}.copy")
        if disk["mode"] == "full":
            nbdcopy(disk["uri"], copy)
        else:
            pull_dirty(disk, copy)
        same(references[disk["name"]], copy, f"{what}, {disk['name']}")
    return {disk["name"]: disk["mode"] for disk in backup["disks"]}


def check_disk_fields(t, disk, mode):
    """What backup-begin says of a disk is there and makes sense."""
    name = disk["name"]
    t.check(disk["mode"] == mode,
            f"{name}: mode {disk['mode']} ({disk.get('reason')}), "
            f"want {mode}")
    if mode == "incremental":
        t.check(disk["context"] == f"qemu:dirty-bitmap:backup-{name}",
                f"{name}: context {disk['context']}")
        dirty = sum(n for _, n in dirty_map(disk["uri"], disk["context"]))
        t.check(dirty == disk["dirty-bytes"],
                f"{name}: dirty-bytes is {disk['dirty-bytes']}, "
                f"the map has {dirty}")
    else:
        t.check(disk["reason"], f"{name}: full, but no reason is given")


def begin_within(t, daemon, what, limits, *words, name="vm1"):
    """backup-begin within LIMITS, (seconds, frozen milliseconds).  A machine
    that others use too gets three tries; the best one counts."""
    for _ in range(3):
        start = time.monotonic()
        backup = daemon.begin(*words, name=name)
        seconds = time.monotonic() - start
        t.say(f"{what}: begin took {seconds:.3f} s, "
              f"frozen for {backup['frozen-ms']:.1f} ms")
        if seconds < limits[0] and backup["frozen-ms"] < limits[1]:
            return backup
        daemon.abort(name)
    t.check(False, f"{what}: begin took {seconds:.3f} s, frozen for "
            f"{backup['frozen-ms']} ms, the limits are {limits}")
    return daemon.begin(*words, name=name)
