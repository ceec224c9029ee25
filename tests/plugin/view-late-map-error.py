#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The maps are on a file system whose storage loses what it was given: bits vanish
from the present map, or from a dirty map.  No view shows what it cannot know: it
says EIO, and the present map says broken."""

import atexit
import os

import nbd
import plugintest as t
from pullbacktest.loopfs import LoopFS, in_private_namespace

G = t.GRANULE
STEP = 2 << 30                  # a granule on each page of a map
COUNT = 512
SIZE = COUNT * STEP
why = in_private_namespace()
if why:
    t.skip(why)


def start(name):
    """A folder for a store, an image, a file system for maps that is nearly full."""
    folder = t.scratch("/var/tmp")
    try:
        fs = LoopFS(os.path.join(folder, "maps"), room=24 << 20)
    except OSError as error:
        t.skip(str(error))
    atexit.register(fs.close)
    image = os.path.join(folder, "image")
    with open(image, "wb") as stream:
        stream.truncate(SIZE)
    t.write_store(folder, "vda", SIZE, maps=fs.folder)
    fs.fill(leave=1 << 20)
    return folder, fs, image, ["fleece=" + folder, "maps=" + fs.folder, "disk=vda"]


def check_broken(fs, server):
    t.fails(5, lambda: t.connect(server.uri("vda")).pread(G, 0))
    assert t.read_map(os.path.join(fs.folder, "vda.present"))[1] == 1


def present_map():
    folder, fs, image, both = start("present")
    sink = t.nbdkit(os.path.join(folder, "sink"), "role=sink", *both)
    view = t.nbdkit(os.path.join(folder, "view"), "role=view", *both,
                    "direct=" + image)
    writer, reader = t.connect(sink.uri("vda")), t.connect(view.uri("vda"))
    for n in range(COUNT):
        writer.pwrite(b"o" * G, n * STEP)
    with open(image, "r+b") as stream:  # the guest writes
        for n in range(COUNT):
            stream.seek(n * STEP)
            stream.write(b"n" * G)
    # A page that a process has mapped stays until it is gone.
    sink.kill()
    fs.forget_pages(os.path.join(fs.folder, "vda.present"))
    later = t.nbdkit(os.path.join(folder, "later"), "role=view", *both,
                     "direct=" + image)
    refused = 0
    for handle in (reader, t.connect(later.uri("vda"))):
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


def dirty_map():
    folder, fs, image, both = start("dirty")
    path = os.path.join(fs.folder, "vda@dirty.dirty")
    t.write_map(path, SIZE, [n * STEP // G for n in range(COUNT)])
    fs.forget_pages(path)
    assert len(t.read_map(path)[0]) < COUNT, "nothing was lost"
    view = t.nbdkit(os.path.join(folder, "view"), "role=view", *both,
                    "direct=" + image, "bitmap=dirty")
    handle = t.connect(view.uri("vda@dirty"), "base:allocation")
    t.fails(5, lambda: t.extents(handle))
    check_broken(fs, view)
    view.end()
    fs.close()


present_map()
dirty_map()
