#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A full fleece store: QEMU's writes go on to succeed, the view says EIO to
all that it is asked from then on."""

import os

from pullbacktest import extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.obstacles import small_store

G = GRANULE


def test(t):
    folder = t.folder_below("/var/tmp")
    store = small_store(t, "2m")

    size = 64 * G
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.write(b"o" * size)
    write_store(store, "vda", size)
    sink = nbdkit(t, t.path("sink"), "role=sink", "fleece=" + store,
                  "disk=vda")
    view = nbdkit(t, t.path("view"), "role=view", "fleece=" + store,
                  "disk=vda", "direct=" + image)
    h = sink.connect("vda")
    v = view.connect("vda", "base:allocation")
    for g in range(10):
        h.pwrite(b"o" * G, g * G)
    assert v.pread(size, 0) == b"o" * size
    for g in range(10, 64):
        h.pwrite(b"o" * G, g * G)
    h.zero(G, 0)
    h.flush()
    granules, state, reason = read_map(os.path.join(store, "vda.present"))
    assert state == 1 and reason == 28, (state, reason)
    assert 10 <= len(granules) < 32
    for attempt in (lambda: v.pread(512, 0), lambda: v.pread(G, 63 * G),
                    lambda: extents(v)):
        fails(5, attempt)
    # a view that starts afterwards says the same
    view2 = nbdkit(t, t.path("view2"), "role=view", "fleece=" + store,
                   "disk=vda", "direct=" + image)
    fails(5, lambda: view2.connect("vda").pread(512, 0))
    sink.end()
    said = sink.said()
    assert said.count("the backup is broken") == 1 and "vda" in said, said
    for server in (view, view2):
        server.end()


main(test)
