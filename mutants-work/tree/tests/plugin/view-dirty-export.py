#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NAME@LABEL: the bitmap is the allocation map; data where dirty, zeros where
clean. Several labels and disks; the list of exports; wrong names."""

import os

from pullbacktest import extents, main, run
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, set_broken, write_map, write_store
from pullbacktest.nbdserver import nbdkit

G = GRANULE
SIZE = 30 * G + 12345


def make(rnd, folder):
    """The frozen bytes, and {label: (dirty granules, their size)}."""
    frozen = bytearray(rnd.randbytes(SIZE))
    with open(os.path.join(folder, "image"), "wb") as f:
        f.write(frozen)
    present = {}
    for g in rnd.sample(range(30), 10):
        present[g] = rnd.choice([rnd.randbytes(G), None])
        frozen[g * G:(g + 1) * G] = present[g] or bytes(G)
    write_store(folder, "vda", SIZE, present)
    write_store(folder, "vdb", SIZE, {})
    bitmaps = {"dirty": (rnd.sample(range(31), 12), G), "mon": ([], G),
               "small": (rnd.sample(range(SIZE // 4096), 200), 4096),
               "all": (range(31), G)}
    for label, (granules, granule) in bitmaps.items():
        write_map(os.path.join(folder, f"vda@{label}.dirty"), SIZE, granules,
                  granule)
    return frozen, bitmaps


def exports(server, bitmaps):
    listed = run("nbdinfo", "--list", "--json", server.uri("")).stdout
    for name in ["vda", "vdb"] + ["vda@" + label for label in bitmaps]:
        assert f'"export-name": "{name}"' in listed, listed
    for name in ("", "vdc", "vda@other", "vdb@dirty", "x" * 4000):
        fails(2, lambda: server.connect(name))


def reads(rnd, h, want):
    assert h.get_size() == SIZE and h.is_read_only() and h.can_multi_conn()
    assert h.pread(SIZE, 0) == want
    for _ in range(100):
        offset = rnd.randrange(SIZE)
        n = rnd.randrange(1, min(SIZE - offset, 300000) + 1)
        assert h.pread(n, offset) == want[offset:offset + n]


def allocation(h, granules, granule):
    dirty = set()
    for offset, n, flags in extents(h):
        assert flags in (0, 3)
        assert offset % granule == 0
        if flags == 0:
            dirty |= set(range(offset // granule,
                               (offset + n + granule - 1) // granule))
    assert dirty == set(granules)


def test(t):
    folder = t.folder_below("/var/tmp")
    frozen, bitmaps = make(t.random, folder)
    image = "direct=" + os.path.join(folder, "image")
    server = nbdkit(t, os.path.join(folder, "s"), "role=view",
                    "fleece=" + folder, "disk=vda", image,
                    *["bitmap=" + label for label in bitmaps],
                    "disk=vdb", image)
    exports(server, bitmaps)
    for label, (granules, granule) in bitmaps.items():
        t.say(label)
        want = bytearray(SIZE)
        for g in granules:
            part = slice(g * granule, min((g + 1) * granule, SIZE))
            want[part] = frozen[part]
        h = server.connect("vda@" + label, "base:allocation")
        reads(t.random, h, bytes(want))
        allocation(h, granules, granule)
        copy = os.path.join(folder, "copy")
        run("nbdcopy", server.uri("vda@" + label), copy)
        with open(copy, "rb") as f:
            assert f.read() == want
    set_broken(folder, "vda")
    for attempt in (lambda: h.pread(1, 0), lambda: extents(h)):
        fails(5, attempt)
    # The other disk is well.
    server.connect("vdb").pread(SIZE, 0)


main(test)
