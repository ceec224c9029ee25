#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-block-status.json
"""How long a client takes to learn all of the map of a huge disk that has changed
at very many places: nbdinfo reads the dirty bitmap, and what is allocated, from
pullback's export and from QEMU's of the same bitmap; by turns, in one VM.

extents/s: of the whole map, with the start of nbdinfo; first-ms: until the first
block status was answered; cpu: processor seconds for the map, of all processes."""

import time

from bitmaps import (CHECKPOINT, RECORDING, first_status, one_checkpoint,
                     scatter)
from fleecingways import Fleecing, Pullback
from processortime import ProcessorTime
from pullbacktest import GIB, MIB, TIB, VM, Disk, main, need, run
from sides import Sides, parse, parser

words = parser(__doc__)
words.add_argument("--size", type=float, default=16, help="TiB")
words.add_argument("--extents", type=int, default=1000000)
options = parse(words)
if options.short:
    options.size, options.extents = 1, 20000


def one_map(vm, way, begin, context, dirty):
    """DIRTY: bytes that the map must have, None: whatever it has."""
    uri = way.begin(*begin)
    try:
        first = first_status(uri, context)
        times = ProcessorTime(vm, way.processes())
        times.start()
        start = time.monotonic()
        said = run("nbdinfo", f"--map={context}", "--totals", uri).stdout
        took = time.monotonic() - start
        cpu = times.per_gib(GIB)
    finally:
        way.end()
    rows = [line.split() for line in said.splitlines()]
    if dirty:
        need(sum(int(row[0]) for row in rows if row[2] != "0") == dirty,
             f"{way.name}: {said}")
    return {"extents/s": options.extents / took, "s": took, "first-ms": first,
            "cpu": cpu}


def bench(t):
    # ext4 has no larger files.
    size = min(int(options.size * TIB), 16 * TIB - MIB)
    vm = VM(t, [Disk("vda", "raw", size, device=False)], boot=False)
    ours = Pullback(t, vm)
    theirs = Fleecing(t, vm, bitmap=RECORDING)
    one_checkpoint(vm, ours)
    dirty = scatter(t, vm, "vda", options.extents)
    sides = Sides(t, options, {"extents/s": True, "s": False,
                               "first-ms": False, "cpu": False})
    since = ("--incremental", CHECKPOINT)
    for name, contexts, want in (
            ("dirty bitmap", ("qemu:dirty-bitmap:backup-vda",
                              "qemu:dirty-bitmap:frozen"), dirty),
            ("base:allocation", ("base:allocation",) * 2, None)):
        sides.measure(name, {
            ours.name: lambda: one_map(vm, ours, since, contexts[0], want),
            theirs.name: lambda: one_map(vm, theirs, (), contexts[1], want)})
    sides.finish()


main(bench)
