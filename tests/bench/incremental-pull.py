#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-incremental-pull.json
"""An incremental backup of a large, sparse disk of which little has changed: stock
clients of pullback's exports, beside two ways to QEMU's own export of the same
bitmap: qemu-img with x-dirty-bitmap, and virtnbdbackup's client (Debian's package),
which is measured with pullback's export, too.  By turns, in one VM.

Each backup is begun anew, and what it reads is not in the page cache.  read/dirty:
bytes that QEMU and the view read from the disk, beside those that are dirty."""

import os

import dirtyclients
from bitmaps import CHECKPOINT, RECORDING, Dirt, one_checkpoint
from fleecingways import Fleecing, Pullback, make_cold
from pullbacktest import GIB, MIB, VM, Disk, main, need, run
from sides import OURS, Sides, parse, parser

words = parser(__doc__)
words.add_argument("--size", type=int, default=64, help="GiB")
words.add_argument("--dirty", type=float, default=1.0, help="per cent")
words.add_argument("--extent", type=int, default=256,
                   help="KiB of each dirty extent")
options = parse(words)
if options.short:
    options.size = min(options.size, 4)


def bytes_read(pids):
    """From storage."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/io") as stream:
            total += sum(int(line.split()[1]) for line in stream
                         if line.startswith("read_bytes"))
    return total


class Stage:
    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", "raw", options.size * GIB, device=False)],
                     boot=False)
        self.disk = self.vm.disks["vda"]
        self.pullback = Pullback(t, self.vm)
        self.qemu = Fleecing(t, self.vm, bitmap=RECORDING)
        one_checkpoint(self.vm, self.pullback)
        with Dirt(t, self.vm, self.disk.node) as dirt:
            self.dirty = dirt.write(options.dirty / 100, options.extent << 10)

    def exports(self, way):
        """What the clients need to know of the disk."""
        if way is self.qemu:
            return {"uri": way.begin(),
                    "context": "qemu:dirty-bitmap:frozen"}
        way.begin("--incremental", CHECKPOINT)
        found = way.backup["disk"]["vda"]
        need(found.get("dirty-bytes") == self.dirty, f"{found}, dirty are "
             f"{self.dirty}")
        return found

    def one_pull(self, way, client):
        target = self.t.path("target")
        found = self.exports(way)
        try:
            make_cold(self.disk.path)
            pids = [self.vm.pid] + [pid for role, pid in
                                    way.processes().items() if role == "view"]
            before = bytes_read(pids)
            took = client(found, target)
            read = bytes_read(pids) - before
        finally:
            way.end()
        # All that is not zeros has changed, so the copy is the disk.
        run("qemu-img", "compare", "-U", "-f", "raw", "-F",
            "qcow2" if client is dirtyclients.x_dirty_bitmap else "raw",
            self.disk.path, target)
        os.unlink(target)
        return {"MiB/s": self.dirty / took / MIB, "s": took,
                "read/dirty": read / self.dirty}


def bench(t):
    sides = Sides(t, options, {"MiB/s": True, "s": False, "read/dirty": False})
    stage = Stage(t)
    ours, theirs = stage.pullback, stage.qemu
    sides.measure(f"{options.size} GiB, {stage.dirty / MIB:.0f} MiB dirty", {
        OURS: lambda: stage.one_pull(ours, dirtyclients.nbdcopy),
        "pullback, convert":
        lambda: stage.one_pull(ours, dirtyclients.convert),
        "pullback, virtnbd.":
        lambda: stage.one_pull(ours, dirtyclients.virtnbdbackup),
        "x-dirty-bitmap":
        lambda: stage.one_pull(theirs, dirtyclients.x_dirty_bitmap),
        "virtnbdbackup":
        lambda: stage.one_pull(theirs, dirtyclients.virtnbdbackup)})
    sides.finish()


main(bench)
