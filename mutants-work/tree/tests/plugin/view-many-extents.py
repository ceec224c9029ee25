#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One request for extents is answered with at most 8192 of them, of the disk
and of a dirty map, and asking on gets them all."""

import os

from pullbacktest import extents, main
from pullbacktest.fleece import write_map, write_store
from pullbacktest.nbdserver import nbdkit

MOST = 8192
COUNT = 15000
STEP = 8192
SIZE = COUNT * STEP


def test(t):
    folder = t.folder_below("/dev/shm")
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.truncate(SIZE)
        for i in range(COUNT):
            f.seek(i * STEP)
            f.write(b"x" * 4096)
    write_store(folder, "vda", SIZE)
    write_map(os.path.join(folder, "vda@dirty.dirty"), SIZE,
              range(0, 2 * COUNT, 2), 4096)
    server = nbdkit(t, os.path.join(folder, "s"), "role=view",
                    "fleece=" + folder, "disk=vda", "direct=" + image,
                    "bitmap=dirty")
    for name in "vda", "vda@dirty":
        h = server.connect(name, "base:allocation")
        seen = []
        h.block_status(SIZE, 0, lambda name, at, e, err: seen.extend(e) or 0)
        assert 1 <= len(seen) // 2 <= MOST, len(seen) // 2
        got = extents(h)
        assert got == [(i * 4096, 4096, 3 * (i % 2))
                       for i in range(2 * COUNT)], (name, len(got))


main(test)
