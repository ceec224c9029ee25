#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Allocation of NAME: a hole of the base counts where the granule is not
present, the fleece store's allocation where it is. A sparse disk of 4 TiB is
walked through at once."""

import os
import time

import plugintest as t

folder = t.scratch("/var/tmp")
G = t.GRANULE
HOLE = 3

# base: data in granules 0-3 and 8-9, the rest is a hole
size = 20 * G + 512
image = os.path.join(folder, "image")
with open(image, "wb") as f:
    f.write(b"b" * (4 * G))
    f.seek(8 * G)
    f.write(b"b" * (2 * G))
    f.truncate(size)
# 1: discarded data, 2: zeros at the freeze, 5: was data, 12: was a hole
t.write_store(folder, "vda", size, {1: b"f" * G, 2: None, 5: b"f" * G,
                                    12: None})
server = t.nbdkit(os.path.join(folder, "s"), "role=view", "fleece=" + folder,
                  "disk=vda", "direct=" + image)
h = t.connect(server.uri("vda"), "base:allocation")
want = [[0, 2 * G, 0], [2 * G, G, HOLE], [3 * G, G, 0], [4 * G, G, HOLE],
        [5 * G, G, 0], [6 * G, 2 * G, HOLE], [8 * G, 2 * G, 0],
        [10 * G, 10 * G + 512, HOLE]]
got = t.extents(h)
assert got == want, got
# from inside an extent, and with the flag for a single one
assert t.extents(h, G + 5, G) == [[G + 5, G - 5, 0], [2 * G, 5, HOLE]]
seen = []
h.block_status(size, 0, lambda name, at, e, err: seen.extend(e) or 0, 8)
# the whole of it, although a granule that is present begins inside of it
assert seen == [2 * G, 0], seen
# allocation and content agree
data = h.pread(size, 0)
for offset, n, flags in got:
    assert flags == 0 or data[offset:offset + n] == bytes(n)

# broken: no answer any more
t.set_broken(folder, "vda")
t.fails(5, lambda: t.extents(h))
server.end()

size = 4 << 40
image = os.path.join(folder, "huge")
with open(image, "wb") as f:
    f.truncate(size)
    f.seek(3 << 40)
    f.write(b"x" * 4096)
t.write_store(folder, "huge", size, {5 << 20: b"y" * G})
server = t.nbdkit(os.path.join(folder, "s2"), "role=view", "fleece=" + folder,
                  "disk=huge", "direct=" + image)
h = t.connect(server.uri("huge"), "base:allocation")
start = time.monotonic()
got = t.extents(h)
seconds = time.monotonic() - start
assert [e[:2] for e in got if e[2] == 0] == [[5 << 36, G], [3 << 40, 4096]], got
print("4 TiB in %.2f s" % seconds)
assert seconds < 10
with open("/proc/%d/status" % server.process.pid) as f:
    rss = [int(line.split()[1]) for line in f if line.startswith("VmRSS")][0]
print("RSS %d KiB" % rss)
assert os.environ.get("PULLBACK_PLUGIN_PRELOAD") or rss < (15 + 2 * 4) << 10
