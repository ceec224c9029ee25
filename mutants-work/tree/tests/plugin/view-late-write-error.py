#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: slow
"""The file system of the fleece store promises more than its storage holds:
writes succeed, and are lost when the kernel writes them back.  A view never
shows what is left of them: it says EIO, the map says broken, and so it does in
a view that was started before, and in one that starts afterwards."""

import os
import subprocess

from pullbacktest import Skip, extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.loopfs import LoopFS, forget_pages, private_namespace
from pullbacktest.nbdserver import nbdkit

G = GRANULE
GRANULES = 600
SIZE = GRANULES * G
# Much of that of xfs is its log.
ROOM = {"ext4": 24 << 20, "xfs": 84 << 20}


def read_all(handle, old):
    """How many granules were right before the first was refused, or None: after
    it, all are.  None may be wrong."""
    import nbd
    right, refused = 0, None
    for g in range(GRANULES):
        if refused is not None and g % 20 != 0:
            continue
        try:
            got = handle.pread(G, g * G)
        except nbd.Error as error:
            assert error.errnum == 5, error
            refused = g if refused is None else refused
            continue
        assert got == old[g * G:(g + 1) * G], \
            f"granule {g} is wrong after {right} right ones"
        assert refused is None, f"{g} is shown though {refused} was refused"
        right += 1
    return right, refused is not None


def overlay(t, fs):
    """A folder on overlayfs above FS."""
    names = {name: os.path.join(fs.folder, name)
             for name in ("lower", "upper", "work", "merged")}
    for name in names.values():
        os.mkdir(name)
    if subprocess.run(["mount", "-t", "overlay", "none", "-o",
                       "lowerdir={lower},upperdir={upper},workdir={work}"
                       .format(**names), names["merged"]]).returncode != 0:
        raise Skip("no overlayfs")
    undo = ["umount", names["merged"]]
    t.defer(lambda: os.path.ismount(undo[1]) and subprocess.run(undo))
    return names["merged"], names["upper"]


def lose_writes(t, kind, on_overlay=False):
    folder = t.folder_below("/var/tmp")
    maps = t.folder_below("/dev/shm")
    fs = LoopFS(t, os.path.join(folder, "store"), kind, room=ROOM[kind])
    store, below = overlay(t, fs) if on_overlay else (fs.folder, fs.folder)
    old = t.random.randbytes(SIZE)
    image = os.path.join(folder, "image")
    with open(image, "wb") as stream:
        stream.write(old)
    write_store(store, "vda", SIZE, maps=maps)
    both = ["fleece=" + store, "maps=" + maps, "disk=vda"]
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink", *both)
    view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                  "direct=" + image)
    reader = view.connect("vda", "base:allocation")
    writer = sink.connect("vda")
    for g in range(GRANULES):
        writer.pwrite(old[g * G:(g + 1) * G], g * G)
    with open(image, "r+b") as stream:  # the guest writes
        stream.write(b"n" * SIZE)
    if not on_overlay:          # there the sink itself learns of it
        granules, state, _ = read_map(os.path.join(maps, "vda.present"))
        assert len(granules) == GRANULES and state == 0, (len(granules), state)
    read_all(reader, old)       # from the page cache, or refused already
    forget_pages(os.path.join(below, "vda.data"))
    right, refused = read_all(reader, old)
    t.say(f"{kind}{' below overlayfs' * on_overlay}: {right} granules right, "
          "then refused")
    assert refused, "nothing was lost: the test shows nothing"
    fails(5, lambda: extents(reader))
    assert read_map(os.path.join(maps, "vda.present"))[1] == 1
    later = nbdkit(t, os.path.join(folder, "later"), "role=view", *both,
                   "direct=" + image)
    assert read_all(later.connect("vda"), old) == (0, True)
    for server in (sink, view, later):
        server.end()
    if on_overlay:
        subprocess.run(["umount", store], check=True)
    fs.close()


def test(t):
    private_namespace()
    for kind in ROOM:
        lose_writes(t, kind)
    lose_writes(t, "ext4", on_overlay=True)


main(test)
