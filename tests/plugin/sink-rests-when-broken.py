#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sink says in its figures when it stores nothing any more: not before all its
stores are broken, by itself or by somebody else, and not while a write to one of them
hangs.  It goes on to say success, and stores nothing."""

import os
import struct
import threading
import time

from pullbacktest import MIB, main, wait_until
from pullbacktest.fleece import (GRANULE, read_map, set_broken, write_figures,
                                 write_store)
from pullbacktest.loopfs import LoopFS, private_namespace
from pullbacktest.nbdserver import nbdkit

G = GRANULE
SIZE = 64 * G
NAMES = ("vda", "vdb")
LOOKS_WITHIN = 1                # seconds


def rests(maps):
    with open(os.path.join(maps, "scratch-figures"), "rb") as f:
        return struct.unpack_from("<Q", f.read(), 48)[0] == 1


def start(t, name, store, limit):
    maps = t.path(name + "-maps")
    os.mkdir(maps)
    write_figures(maps)
    for disk in NAMES:
        write_store(store, disk, SIZE, maps=maps)
    sink = nbdkit(t, t.path(name), "role=sink", "fleece=" + store,
                  "maps=" + maps, f"write-limit={limit}",
                  *(f"disk={disk}" for disk in NAMES))
    return sink, maps


def wait_rests(maps):
    wait_until(lambda: rests(maps), 10, "the sink does not say that it rests")


def of_another(t):
    """Both are, one after the other."""
    store = t.path("store")
    os.mkdir(store)
    sink, maps = start(t, "sink", store, 60000)
    h = sink.connect("vda")
    h.pwrite(b"o" * G, 0)
    t.check(not rests(maps), "it rests, and is not broken")
    set_broken(maps, "vda")
    h.pwrite(b"o" * G, G)
    granules, _, _ = read_map(os.path.join(maps, "vda.present"))
    t.check(granules == {0}, f"broken, and it stored {granules}")
    end = time.monotonic() + LOOKS_WITHIN
    while time.monotonic() < end:
        sink.connect("vdb").pwrite(b"o" * G, 0)
        t.check(not rests(maps), "it rests, and one store is sound")
    set_broken(maps, "vdb")
    wait_rests(maps)
    h.pwrite(b"o" * G, 2 * G)
    granules, _, _ = read_map(os.path.join(maps, "vda.present"))
    t.check(granules == {0}, f"broken, and it stored {granules}")
    sink.end()


def of_storage_that_hangs(t):
    """The thread may go on to write, when that does."""
    fs = LoopFS(t, t.path("frozen"), size=32 * MIB)
    sink, maps = start(t, "slow", fs.folder, 3000)
    h = sink.connect("vda")
    h.pwrite(b"o" * G, 0)
    fs.freeze()
    try:
        writer = threading.Thread(target=hang, args=(sink,))
        writer.start()
        wait_until(lambda: read_map(os.path.join(maps, "vda.present"))[1] == 1,
                   10, "the store is not broken")
        writer.join()
        again = sink.connect("vda")
        again.pwrite(b"o" * G, 4 * G)
        t.check(not rests(maps), "it rests, and a write to the store hangs")
    finally:
        fs.thaw()
    wait_rests(maps)
    sink.end()


def hang(sink):
    """Its connection is cut."""
    import nbd
    try:
        sink.connect("vda").pwrite(b"o" * G, 2 * G)
    except nbd.Error:
        pass


def test(t):
    private_namespace()
    of_another(t)
    of_storage_that_hangs(t)


main(test)
