#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""One large trim of old data that the storage, a slow one, has not yet got: the
guest's writes wait for a piece of it at most.  Xfs writes back what is dirty
under the inode's lock when a hole is made there, and a write needs that lock."""

import os
import threading
import time

from pullbacktest import MIB, main
from pullbacktest.faultystore import FaultyStore
from pullbacktest.fleece import (GRANULE, read_figures, write_figures,
                                 write_map, write_store)
from pullbacktest.loopfs import private_namespace
from pullbacktest.nbdserver import nbdkit

SIZE = 256 * MIB
OLD = 128 * MIB                 # dirty, and trimmed at once
RATE = 20 * MIB                 # of the storage: OLD takes it 6 s
LIMIT = 2                       # of a write; without pieces it is some 6 s


class Backup:
    def __init__(self, t):
        folder = t.folder_below("/var/tmp")
        self.maps = t.folder_below("/dev/shm")
        self.fs = FaultyStore(t, os.path.join(folder, "store"), 512 * MIB,
                              "xfs")
        image = os.path.join(folder, "image")
        with open(image, "wb") as f:
            f.truncate(SIZE)
        write_store(self.fs.folder, "vda", SIZE, maps=self.maps)
        for kind in "consumed", "counted":
            write_map(f"{self.maps}/vda.{kind}", SIZE)
        write_figures(self.maps)
        both = ["fleece=" + self.fs.folder, "maps=" + self.maps,
                "consume=yes", "disk=vda"]
        self.sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink", *both)
        self.view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                           "direct=" + image)


def writes_beside(sink, done):
    """The longest that a write took, from now on until DONE."""
    longest, offset = 0, OLD
    while not done.wait(0.02) and offset < SIZE:
        begin = time.monotonic()
        sink.pwrite(b"o" * GRANULE, offset)
        longest = max(longest, time.monotonic() - begin)
        offset += GRANULE
    return longest


def test(t):
    private_namespace()
    backup = Backup(t)
    sink, view = backup.sink.connect("vda"), backup.view.connect("vda")
    block = os.urandom(MIB)
    for offset in range(0, OLD, MIB):
        sink.pwrite(block, offset)
    backup.fs.slow(RATE)
    done, errors = threading.Event(), []

    def trim():
        try:
            view.trim(OLD, 0)
        except BaseException as error:
            errors.append(error)
        done.set()
    begin = time.monotonic()
    thread = threading.Thread(target=trim)
    thread.start()
    longest = writes_beside(sink, done)
    thread.join()
    t.say(f"the trim took {time.monotonic() - begin:.1f} s, a write at most "
          f"{longest:.2f} s")
    backup.fs.slow(0)
    t.check(not errors, f"{errors}")
    t.check(read_figures(backup.maps)[0] <= SIZE - OLD, "it still counts")
    t.check(longest < LIMIT, f"a write waited {longest:.1f} s for a trim")
    backup.view.end()
    backup.sink.end()


main(test)
