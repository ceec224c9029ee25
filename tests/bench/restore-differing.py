#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-restore-differing.json
"""How long it takes to make a disk equal to another of which 1 % differs, in blocks of
64 KiB at random places: pullback-differ, which reads both, beside nbdcopy of all of
it; by turns, onto files of the same bytes. A cell is how much of the disk is data:
"full" all of it, "half" and "tenth" in runs of 1 MiB, "sparse" only what differs.

s: until it was flushed; written: MiB of write requests, of the server's log; cpu:
processor seconds of the client and both servers."""

import os
import time

from fleecingways import make_cold
from processortime import used
from pullbacktest import MIB, main, need, need_programs, run
from pullbacktest.differ import make_equal, requests, serve
from sides import Sides, parse, parser

PARTS = {"full": 1, "half": 2, "tenth": 10, "sparse": 0}
CACHES = ("page-cache", "cold")
DIFFERING = 65536

words = parser(__doc__)
words.add_argument("--size", type=int, default=8192, help="MiB")
options = parse(words)
if options.short:
    options.size = min(options.size, 256)


def fill(path, size, every, rng):
    """Random bytes in each EVERYth MiB, of a few that are drawn once."""
    with open(path, "wb") as stream:
        stream.truncate(size)
        bodies = [rng.randbytes(MIB) for _ in range(8)]
        for offset in range(0, size if every else 0, MIB * max(every, 1)):
            stream.seek(offset)
            stream.write(rng.choice(bodies))


def scatter(path, places, rng):
    with open(path, "r+b") as stream:
        for offset in places:
            stream.seek(offset)
            stream.write(rng.randbytes(DIFFERING))


def read_all(path):
    buffer = bytearray(MIB)
    with open(path, "rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass


class Stage:
    """Two files, of which 1 % differs, at nbdkits."""

    def __init__(self, t, part):
        self.t, self.part, self.n = t, part, 0
        size = options.size * MIB
        self.places = t.random.sample(range(0, size, DIFFERING),
                                      size // DIFFERING // 100)
        self.paths = t.path("source"), t.path("target")
        fill(self.paths[0], size, PARTS[part], t.random)
        run("cp", "--sparse=always", *self.paths)
        scatter(self.paths[0], self.places, t.random)

    def one_round(self, way, cold):
        """Makes them equal WAY (source, target), and then different again."""
        self.n += 1
        name = f"{self.part}{self.n}"
        log = self.t.path("requests-" + name)
        # What the last round left to be written is not this one's.
        run("sync", "-f", self.paths[1])
        if cold:
            make_cold(*self.paths)
        else:
            for path in self.paths:
                read_all(path)
        servers = [serve(self.t, side + name, *more) for side, more in (
            ("s", ("file", self.paths[0])),
            ("t", ("--filter=log", "file", self.paths[1], "logfile=" + log)))]
        before = os.times()
        start = time.monotonic()
        way(*(server.uri("") for server in servers))
        took = time.monotonic() - start
        after = os.times()
        cpu = {"client": after.children_user - before.children_user
               + after.children_system - before.children_system}
        for side, server in zip(("source", "target"), servers):
            cpu[side] = used(f"/proc/{server.pid}")
            server.end()
        if self.n <= 2:
            run("cmp", *self.paths, timeout=600)
        scatter(self.paths[1], self.places, self.t.random)
        count = sum(n for kind, n in requests(log) if kind == "Write")
        return {"s": took, "written": count / MIB, "cpu": cpu}


def differ(source, target):
    counts = make_equal(source, target, timeout=600)
    need(counts["written"] + counts["zeroed"] > 0, f"{counts}")


def copy(source, target):
    run("nbdcopy", "--flush", source, target, timeout=600)


def bench(t):
    need_programs("nbdkit", "nbdcopy")
    sides = Sides(t, options, {"s": False, "written": False, "cpu": False})
    for part in PARTS:
        cells = [f"{part},{cache}" for cache in CACHES
                 if sides.wants(f"{part},{cache}")]
        if not cells:
            continue
        stage = Stage(t, part)
        for cell in cells:
            cold = cell.endswith("cold")
            sides.measure(cell, {
                "pullback": lambda: stage.one_round(differ, cold),
                "nbdcopy": lambda: stage.one_round(copy, cold)})
    sides.finish()


main(bench)
