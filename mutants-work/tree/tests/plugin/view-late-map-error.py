#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: slow
"""The maps are on a file system whose storage loses what it was given: bits vanish
from the present map, or from a dirty map.  No view shows what it cannot know: it
says EIO, and the present map says broken."""

import os

import nbd

from pullbacktest import extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, read_map, write_map, write_store
from pullbacktest.loopfs import LoopFS, forget_pages, private_namespace
from pullbacktest.nbdserver import nbdkit

G = GRANULE
STEP = 2 << 30                  # a granule on each page of a map
COUNT = 512
SIZE = COUNT * STEP


def start(t):
    """A folder for a store, an image, a file system for maps that is nearly
    full."""
    folder = t.folder_below("/var/tmp")
    fs = LoopFS(t, os.path.join(folder, "maps"), room=24 << 20)
    image = os.path.join(folder, "image")
    with open(image, "wb") as stream:
        stream.truncate(SIZE)
    write_store(folder, "vda", SIZE, maps=fs.folder)
    fs.fill(leave=1 << 20)
    return folder, fs, image, ["fleece=" + folder, "maps=" + fs.folder,
                               "disk=vda"]


def check_broken(fs, server):
    fails(5, lambda: server.connect("vda").pread(G, 0))
    assert read_map(os.path.join(fs.folder, "vda.present"))[1] == 1


def present_map(t):
    folder, fs, image, both = start(t)
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink", *both)
    view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                  "direct=" + image)
    writer, reader = sink.connect("vda"), view.connect("vda")
    for n in range(COUNT):
        writer.pwrite(b"o" * G, n * STEP)
    with open(image, "r+b") as stream:  # the guest writes
        for n in range(COUNT):
            stream.seek(n * STEP)
            stream.write(b"n" * G)
    # A page that a process has mapped stays until it is gone.
    sink.kill()
    forget_pages(os.path.join(fs.folder, "vda.present"))
    later = nbdkit(t, os.path.join(folder, "later"), "role=view", *both,
                   "direct=" + image)
    refused = 0
    for handle in (reader, later.connect("vda")):
        for n in range(COUNT):
            try:
                assert handle.pread(G, n * STEP) == b"o" * G, f"{n} is wrong"
            except nbd.Error as error:
                assert error.errnum == 5, error
                refused += 1
    assert refused > 0, "nothing was lost: the test shows nothing"
    check_broken(fs, later)
    view.end()
    later.end()
    fs.close()


def dirty_map(t):
    folder, fs, image, both = start(t)
    path = os.path.join(fs.folder, "vda@dirty.dirty")
    write_map(path, SIZE, [n * STEP // G for n in range(COUNT)])
    forget_pages(path)
    assert len(read_map(path)[0]) < COUNT, "nothing was lost"
    view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                  "direct=" + image, "bitmap=dirty")
    handle = view.connect("vda@dirty", "base:allocation")
    fails(5, lambda: extents(handle))
    check_broken(fs, view)
    view.end()
    fs.close()


def test(t):
    private_namespace()
    present_map(t)
    dirty_map(t)


main(test)
