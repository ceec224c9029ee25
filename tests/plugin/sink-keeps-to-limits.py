#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A limit of what a sink may store, of its backup or of all backups together, is
kept to the byte by many connections at once: what exceeds it breaks the
backup, which is marked before the write is answered, with success.  Where its
file cannot be read the guest is served all the same."""

import errno
import os
import threading

from pullbacktest import main
from pullbacktest.fleece import (GRANULE, read_figures, read_map, write_figures,
                                 write_ledger, write_store)
from pullbacktest.nbdserver import nbdkit

G = GRANULE
DISKS = ("vda", "vdb")
GRANULES = 64
CONNECTIONS = 4


class Backup:
    """A sink of two disks, its maps in TOP/NAME.  TORN: its figures are cut
    off."""

    def __init__(self, t, top, name, torn=False, **limits):
        self.folder = t.folder_below("/var/tmp")
        self.maps = os.path.join(top, name)
        os.mkdir(self.maps)
        for disk in DISKS:
            write_store(self.folder, disk, GRANULES * G, maps=self.maps)
        write_figures(self.maps, **limits)
        if torn:
            os.truncate(os.path.join(self.maps, "scratch-figures"), 100)
        self.sink = nbdkit(t, os.path.join(self.folder, "sink"), "role=sink",
                           "fleece=" + self.folder, "maps=" + self.maps,
                           *("disk=" + disk for disk in DISKS))

    def map(self, disk):
        return read_map(os.path.join(self.maps, disk + ".present"))

    def stored(self):
        return sum(len(self.map(disk)[0]) for disk in DISKS)

    def reasons(self):
        return {self.map(disk)[2] for disk in DISKS if self.map(disk)[1] == 1}

    def blocks(self):
        return sum(os.stat(os.path.join(self.folder, disk + ".data")).st_blocks
                   for disk in DISKS) * 512

    def writers(self, errors):
        """Threads that write each granule of each disk once."""
        def write(disk, first):
            handle = self.sink.connect(disk)
            try:
                for g in range(first, GRANULES, CONNECTIONS):
                    handle.pwrite(b"o" * G, g * G)
            except Exception as error:
                errors.append(error)
        return [threading.Thread(target=write, args=(disk, first))
                for disk in DISKS for first in range(CONNECTIONS)]


def write_all(t, backups):
    errors = []
    threads = [thread for b in backups for thread in b.writers(errors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    t.check(not errors, f"the guest saw {errors}")


def test(t):
    # Marked before it is answered; zeros take nothing.
    one = Backup(t, t.path(""), "one", limit=2 * G)
    handle = one.sink.connect("vda")
    handle.zero(8 * G, 32 * G)
    handle.pwrite(b"o" * (2 * G), 0)
    handle.pwrite(b"o" * (2 * G), 0)    # is there: not counted again
    t.check(one.reasons() == set() and read_figures(one.maps)[0] == 2 * G,
            f"{read_figures(one.maps)}")
    handle.pwrite(b"o" * G, 8 * G)
    t.check(one.reasons() == {errno.EDQUOT}, "success, but it is not broken")
    t.check(one.blocks() <= 2 * G + 4096, f"{one.blocks()} bytes are taken")
    t.check(read_figures(one.maps) == (2 * G, 4, 1), read_figures(one.maps))

    # All disks and connections together.
    many = Backup(t, t.path(""), "many", limit=40 * G)
    write_all(t, [many])
    t.check(many.stored() == 40 and read_figures(many.maps)[0] == 40 * G,
            f"{many.stored()} granules, {read_figures(many.maps)}")
    t.check(many.reasons() == {errno.EDQUOT}, f"{many.reasons()}")

    # All backups together.
    write_ledger(t.path(""), 100 * G, ["left", "right"])
    pair = [Backup(t, t.path(""), name, account=i)
            for i, name in enumerate(("left", "right"))]
    write_all(t, pair)
    t.check(90 <= sum(b.stored() for b in pair) <= 100,
            f"{[b.stored() for b in pair]} granules in all, may be 100")
    for b in pair:
        t.check(read_figures(b.maps)[0] == b.stored() * G, "miscounted")
        t.check(b.reasons() == {errno.EDQUOT}, f"{b.reasons()}")
        t.check(read_figures(b.maps)[2] == 2, "which limit is not told")

    torn = Backup(t, t.path(""), "torn", torn=True, limit=G)
    torn.sink.connect("vda").pwrite(b"o" * (2 * G), 0)
    t.check(torn.stored() == 2 and not torn.reasons(), "nothing is stored")
    for b in (one, many, *pair, torn):
        b.sink.end()


main(test)
