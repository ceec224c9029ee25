#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-begin-at-scale.json
"""What beginning an incremental backup takes, as one thing after the other grows:
disks of a VM, the size of a disk, checkpoints since which changes are asked for,
dirty extents. Beside it the same by QEMU's own commands, less what pullback has
alone (checkpoints in a row, processes that outlive QEMU).

begin-s: until the backup can be pulled; frozen-ms: of it, with the guest standing
still; first-ms: until the first block status was answered; map-s: until all of it
was, by nbdinfo; MiB: memory of view, sink and gateway together, what they share
once; daemon-MiB: of the daemon."""

import os
import time

from bitmaps import (CHECKPOINT, RECORDING, first_status, one_checkpoint,
                     scatter)
from fleecingways import Fleecing, Pullback
from pullbacktest import GIB, MIB, TIB, VM, Disk, main, need, run
from pullbacktest.processes import memory_of
from sides import Sides, parse, parser

# What grows: (steps, those of --short).
DISKS = (1, 8, 32), (1, 4)
TIBS = (1, 16, 64), (1, 16)
CHECKPOINTS = (1, 50, 200), (1, 5)
EXTENTS = (1000, 100000, 1000000), (1000, 10000)
TMPFS = "/dev/shm"              # has files of any size

options = parse(parser(__doc__))


def one_begin(way, words, context):
    start = time.monotonic()
    uri = way.begin(*words)
    found = {"begin-s": time.monotonic() - start, "frozen-ms": way.frozen_ms}
    try:
        found["first-ms"] = first_status(uri, context)
        start = time.monotonic()
        run("nbdinfo", f"--map={context}", "--totals", uri)
        found["map-s"] = time.monotonic() - start
        if way.name == Pullback.name:
            need(all(disk["mode"] == "incremental"
                     for disk in way.backup["disks"]), f"{way.backup}")
            pids = way.processes()
            found["daemon-MiB"] = memory_of(pids.pop("daemon"))[1] / MIB
            found["MiB"] = sum(memory_of(pid)[0] for pid in
                               pids.values()) / MIB
    finally:
        way.end()
    return found


class Scale:
    """VMs with what is measured: COUNT disks of SIZE bytes."""

    def __init__(self, t, sides, cell, count=1, size=GIB):
        self.t, self.sides, self.cell = t, sides, cell
        self.folder = t.folder_below(TMPFS) if size > TIB else t.folder
        self.vm = VM(t, [Disk(f"vd{number}", "raw", size, device=False,
                              path=os.path.join(self.folder, f"{number}.raw"))
                         for number in range(count)], boot=False)
        name = cell.replace(" ", "")
        self.ours = Pullback(t, self.vm, name=name, scratch=os.path.join(
            self.folder, name + "f"))
        self.theirs = Fleecing(t, self.vm, self.folder, bitmap=RECORDING)
        one_checkpoint(self.vm, self.ours)

    def measure(self, since=CHECKPOINT, peer=True):
        words = ("--incremental", since)
        measured = {self.ours.name: lambda: one_begin(
            self.ours, words, "qemu:dirty-bitmap:backup-vd0")}
        if peer:
            measured[self.theirs.name] = lambda: one_begin(
                self.theirs, (), "qemu:dirty-bitmap:frozen")
        self.sides.measure(self.cell, measured)
        self.ours.close()
        self.vm.quit()
        for disk in self.vm.disks.values():
            os.unlink(disk.path)

    def add_checkpoints(self, count):
        """Each with some granules of its own."""
        for number in range(count):
            self.ours.daemon.cli("checkpoint-create", self.ours.domain,
                                 f"c{number}")
            scatter(self.t, self.vm, "vd0", 10 + number, [f"c{number}"])


def bench(t):
    which = 1 if options.short else 0
    sides = Sides(t, options, {"begin-s": False, "frozen-ms": False,
                               "first-ms": False, "map-s": False, "MiB": False,
                               "daemon-MiB": False})
    cells = [(f"{n} disks", {"count": n}) for n in DISKS[which]]
    cells += [(f"{n} TiB", {"size": n * TIB}) for n in TIBS[which]]
    for cell, more in cells:
        if sides.wants(cell):
            Scale(t, sides, cell, **more).measure()
    for n in CHECKPOINTS[which]:
        cell = f"{n} checkpoints"
        if sides.wants(cell):
            scale = Scale(t, sides, cell, size=64 * GIB)
            scale.add_checkpoints(n)
            scale.measure("c0", peer=False)
    for n in EXTENTS[which]:
        cell = f"{n} extents of 16 TiB"
        if sides.wants(cell):
            scale = Scale(t, sides, cell, size=16 * TIB)
            scatter(t, scale.vm, "vd0", n)
            scale.measure()
    sides.finish()


main(bench)
