#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Allocation of NAME: a hole of the base counts where the granule is not
present, the fleece store's allocation where it is. A sparse disk of 4 TiB is
walked through at once."""

import os
import time

from pullbacktest import TIB, extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, set_broken, write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.processes import status_kib

G = GRANULE
HOLE = 3


def holes(t, folder):
    # Base: data in granules 0-3 and 8-9, the rest is a hole.
    size = 20 * G + 512
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.write(b"b" * (4 * G))
        f.seek(8 * G)
        f.write(b"b" * (2 * G))
        f.truncate(size)
    # 1: discarded data, 2: zeros at the freeze, 5: was data, 12: was a hole.
    write_store(folder, "vda", size, {1: b"f" * G, 2: None, 5: b"f" * G,
                                      12: None})
    server = nbdkit(t, os.path.join(folder, "s"), "role=view",
                    "fleece=" + folder, "disk=vda", "direct=" + image)
    h = server.connect("vda", "base:allocation")
    want = [(0, 2 * G, 0), (2 * G, G, HOLE), (3 * G, G, 0), (4 * G, G, HOLE),
            (5 * G, G, 0), (6 * G, 2 * G, HOLE), (8 * G, 2 * G, 0),
            (10 * G, 10 * G + 512, HOLE)]
    got = extents(h)
    assert got == want, got
    # From inside an extent, and with the flag for a single one.
    assert extents(h, offset=G + 5, length=G) == [(G + 5, G - 5, 0),
                                                  (2 * G, 5, HOLE)]
    seen = []
    h.block_status(size, 0, lambda name, at, e, err: seen.extend(e) or 0, 8)
    # The whole of it, although a granule that is present begins inside of it.
    assert seen == [2 * G, 0], seen
    # Allocation and content agree.
    data = h.pread(size, 0)
    for offset, n, flags in got:
        assert flags == 0 or data[offset:offset + n] == bytes(n)
    # Broken: no answer any more.
    set_broken(folder, "vda")
    fails(5, lambda: extents(h))
    server.end()


def huge(t, folder):
    size = 4 * TIB
    image = os.path.join(folder, "huge")
    with open(image, "wb") as f:
        f.truncate(size)
        f.seek(3 * TIB)
        f.write(b"x" * 4096)
    write_store(folder, "huge", size, {5 << 20: b"y" * G})
    server = nbdkit(t, os.path.join(folder, "s2"), "role=view",
                    "fleece=" + folder, "disk=huge", "direct=" + image)
    h = server.connect("huge", "base:allocation")
    start = time.monotonic()
    got = extents(h)
    seconds = time.monotonic() - start
    assert [e[:2] for e in got if e[2] == 0] == [(5 << 36, G),
                                                 (3 * TIB, 4096)], got
    rss = status_kib(server.pid, "VmRSS")
    t.say(f"4 TiB in {seconds:.2f} s, with {rss} KiB")
    assert seconds < 10
    assert os.environ.get("PULLBACK_PLUGIN_PRELOAD") or rss < (15 + 2 * 4) << 10


def test(t):
    folder = t.folder_below("/var/tmp")
    holes(t, folder)
    huge(t, folder)


main(test)
