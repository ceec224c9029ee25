#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sink keeps what it is sent, once: a second write of a granule changes
nothing, zeros take no space, a kill loses nothing that was answered; writes
that are no whole granules break the backup but still succeed."""

import os

from pullbacktest import main
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.nbdserver import nbdkit

G = GRANULE
SIZE = 40 * G + 512


class Written:
    """A sink for two disks, and what vda must hold."""

    def __init__(self, t):
        self.t = t
        self.folder = t.folder_below("/var/tmp")
        for disk in "vda", "vdb":
            write_store(self.folder, disk, SIZE)
        self.want, self.granules = bytearray(SIZE), set()
        self.start()

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        self.server = nbdkit(self.t, self.path("s"), "role=sink",
                             "fleece=" + self.folder, "disk=vda", "disk=vdb")
        self.handle = self.server.connect("vda")

    def kill(self):
        self.server.kill()
        os.unlink(self.path("s"))

    def write(self, rnd):
        first = rnd.randrange(41)
        count = rnd.randrange(1, 6)
        n = min(count * G, SIZE - first * G)
        zero = rnd.random() < 0.3
        data = bytes(n) if zero else rnd.randbytes(n)
        for g in range(first, min(first + count, 41)):
            if g not in self.granules:
                self.granules.add(g)
                self.want[g * G:(g + 1) * G] = \
                    data[(g - first) * G:(g - first + 1) * G]
        if zero:
            self.handle.zero(n, first * G, rnd.choice([0, 2, 16]))
        else:
            self.handle.pwrite(data, first * G, rnd.choice([0, 1]))

    def check(self):
        got, state, _ = read_map(self.path("vda.present"))
        assert got == self.granules and state == 0, (got ^ self.granules,
                                                     state)
        with open(self.path("vda.data"), "rb") as f:
            assert f.read() == bytes(self.want)
        assert self.handle.pread(SIZE, 0) == bytes(self.want)


def parts_of_granules(written):
    h = written.server.connect("vdb")
    present = written.path("vdb.present")
    h.zero(32 * G, 0)
    assert os.stat(written.path("vdb.data")).st_blocks == 0
    assert read_map(present)[0] == set(range(32))
    h.pwrite(b"x" * 512, 33 * G)
    assert read_map(present) == (set(range(32)), 1, 22)
    h.pwrite(b"x" * G, 33 * G)
    h.zero(G, 34 * G)
    assert read_map(present)[0] == set(range(32))


def test(t):
    written = Written(t)
    h = written.handle
    assert h.get_size() == SIZE and not h.is_read_only()
    assert h.can_zero() and h.can_fast_zero() and h.can_flush()
    assert h.can_fua() and h.can_multi_conn() and not h.can_trim()
    for number in range(100):
        written.write(t.random)
        if number in (10, 25):
            # Answered, so it is there.
            written.kill()
            written.start()
            written.check()
    written.handle.flush()
    written.check()
    parts_of_granules(written)


main(test)
