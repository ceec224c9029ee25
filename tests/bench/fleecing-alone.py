#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-fleecing-alone.json
"""What a backup costs the guest that nobody pulls from: the guest writes at random
places, of which each first write makes QEMU copy old data to pullback's sink, or to
QEMU's own qcow2 scratch on the same disk; by turns, in one VM.  A cell is a format, a
way to open the image, and the size of the guest's writes.

    fleecing-alone.py
    fleecing-alone.py --only direct --only 64KiB

cpu: processor seconds per GiB that the guest has written, of QEMU (less its guest),
sink, view, gateway and daemon."""

import itertools
import os
import time

from fleecingways import Fleecing, Pullback, drop_page_cache, fill
from processortime import ProcessorTime
from pullbacktest import MIB, VM, Disk, main, need
from sides import Sides, parse, parser

FORMS = ("raw", "qcow2")
OPENED = ("page-cache", "direct")
WRITES = {"4KiB": 4096, "64KiB": 65536, "1MiB": MIB}

words = parser(__doc__)
words.add_argument("--size", type=int, default=2048, help="MiB")
words.add_argument("--seconds", type=float, default=2.0, help="of each round")
words.add_argument("--threads", type=int, default=1, help="of the guest")
options = parse(words)
if options.short:
    options.size, options.seconds = min(options.size, 256), 0.5


class Stage:
    def __init__(self, t, form, opened):
        self.disk = Disk("vda", form, options.size * MIB,
                         direct=opened == "direct",
                         path=t.path(f"{form}-{opened}"))
        fill(self.disk)
        self.vm = VM(t, [self.disk])
        self.ways = [Pullback(t, self.vm, name=f"{form}-{opened}"),
                     Fleecing(t, self.vm)]
        self.seeds = itertools.count(1)

    def one_round(self, way, size):
        """WAY: None for a guest without a backup."""
        drop_page_cache()
        if way:
            way.begin()
        try:
            times = ProcessorTime(self.vm, way.processes() if way else None)
            times.start()
            self.vm.guest(f"iops seed={next(self.seeds)} disk=vda size={size} "
                          f"threads={options.threads}")
            time.sleep(options.seconds)     # a measured span
            lap = self.vm.guest("stop")
            need(lap["errors"] == 0, f"the guest saw I/O errors: {lap}")
            return {"IOPS": lap["ops"] * 1e6 / lap["us"],
                    "p99-us": lap["p99-us"], "max-us": lap["max-us"],
                    "cpu": times.per_gib(max(lap["ops"], 1) * size)}
        finally:
            if way:
                way.end()

    def close(self):
        self.ways[0].close()
        self.vm.quit()
        os.unlink(self.disk.path)


def bench(t):
    sides = Sides(t, options, {"IOPS": True, "p99-us": False, "max-us": False,
                               "cpu": False})
    for form, opened in itertools.product(FORMS, OPENED):
        cells = {f"{form},{opened},{name}": size
                 for name, size in WRITES.items()
                 if sides.wants(f"{form},{opened},{name}")}
        if not cells:
            continue
        stage = Stage(t, form, opened)
        for cell, size in cells.items():
            measured = {way.name: lambda way=way: stage.one_round(way, size)
                        for way in stage.ways}
            measured["no-backup"] = lambda: stage.one_round(None, size)
            sides.measure(cell, measured)
        stage.close()
    sides.finish()


main(bench)
