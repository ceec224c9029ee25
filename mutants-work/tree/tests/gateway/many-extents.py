#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A dirty map of 40,000 extents on a disk of 16 TiB is whole, and neither the
size of the disk nor of the map takes much memory."""

import os
import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import DIRTY, Stage
from pullbacktest.processes import status_kib

SIZE = 16 << 40
STEP = 64 * MIB + 65536
COUNT = 20000


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = Stage(t)
    count = COUNT
    if os.statvfs(stage.folder).f_bavail * 4096 < 500 * MIB:
        count = 2000
    with open(stage.image("vda"), "wb") as f:
        f.truncate(SIZE)
    with open(stage.image("vda@dirty"), "wb") as f:
        f.truncate(SIZE)
        for i in range(count):
            f.seek(i * STEP)
            f.write(b"x" * 4096)
    stage.start_upstream()
    stage.write_routes()
    stage.start_gateway()
    started = time.monotonic()
    extents = stage.map(DIRTY)
    took = time.monotonic() - started
    dirty = [(offset, length) for offset, length, kind in extents if kind]
    assert dirty == [(i * STEP, 4096) for i in range(count)], len(dirty)
    assert len(extents) == 2 * count
    assert sum(length for _, length, _ in extents) == SIZE
    rss = status_kib(stage.gateway.pid, "VmHWM")
    t.say(f"{len(extents)} extents in {took:.2f} s, at most {rss} KiB")
    if "ASAN_OPTIONS" not in os.environ:
        assert rss < 16 * 1024, rss


main(test)
