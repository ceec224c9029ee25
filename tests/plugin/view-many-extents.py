#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One request for extents is answered with at most 8192 of them, of the disk
and of a dirty map, and asking on gets them all."""

import os

import plugintest as t

folder = t.scratch("/dev/shm")
MOST = 8192
COUNT = 15000
STEP = 8192
size = COUNT * STEP
image = os.path.join(folder, "image")
with open(image, "wb") as f:
    f.truncate(size)
    for i in range(COUNT):
        f.seek(i * STEP)
        f.write(b"x" * 4096)
t.write_store(folder, "vda", size)
t.write_map(os.path.join(folder, "vda@dirty.dirty"), size,
            range(0, 2 * COUNT, 2), 4096)
server = t.nbdkit(os.path.join(folder, "s"), "role=view", "fleece=" + folder,
                  "disk=vda", "direct=" + image, "bitmap=dirty")
for name in "vda", "vda@dirty":
    h = t.connect(server.uri(name), "base:allocation")
    seen = []
    h.block_status(size, 0, lambda name, at, e, err: seen.extend(e) or 0)
    assert 1 <= len(seen) // 2 <= MOST, len(seen) // 2
    got = t.extents(h)
    assert got == [[i * 4096, 4096, 3 * (i % 2)]
                   for i in range(2 * COUNT)], (name, len(got))
