#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks on iothreads of their own are written to, granule by granule, while backups
begin and are aborted.  Each backup shows all disks as they were at one instant, and
no acknowledged write is missing from the range of the checkpoint that stays."""

import os
import struct
import time

from pullbacktest import TIB, Daemon, March, StorageDaemon, main, need
from pullbacktest.clients import open_nbd
from pullbacktest.storagedaemon import GRANULE

# More finds more.
SECONDS = float(os.environ.get("SECONDS", "6"))
SIZE = 4 * TIB
DISKS = ("d0", "d1", "d2")
HALF = SIZE // GRANULE // 2


def number_at(handle, granule):
    return struct.unpack("Q", handle.pread(8, granule * GRANULE))[0]


def length(handle, march):
    """How far MARCH had come; it must be all, and nothing behind it."""
    low, high = 0, march.count + 1
    while low < high:
        middle = (low + high) // 2
        if number_at(handle, march.first + middle):
            low = middle + 1
        else:
            high = middle
    for i in range(max(0, low - 300), low + 300):
        want = march.first + i + 1 if i < low else 0
        have = number_at(handle, march.first + i)
        need(have == want, f"granule {march.first + i} holds {have}, "
             f"not {want}: {low} before it are there")
    return low


def check_instant(t, disks, together, alone):
    handles = {name: open_nbd(disks[name]["uri"]) for name in DISKS}
    lengths = [length(handles[name], together) for name in DISKS]
    lengths.append(length(handles["d0"], alone))
    for handle in handles.values():
        handle.shutdown()
    t.say(f"as of the freeze: {lengths}")
    first, second, third = lengths[:3]
    need(second <= first <= third + 1 and third <= second,
         f"not one instant: {lengths[:3]}")


def test(t):
    qsd = StorageDaemon(t, {name: t.path(f"{name}.raw") for name in DISKS},
                        SIZE)
    daemon = Daemon(t)
    daemon.add(qsd)
    daemon.begin("--checkpoint", "base")
    daemon.commit()
    # One is on its way over all disks, and one on the first alone.
    together = March(t, [qsd.mounts[name] for name in DISKS])
    alone = March(t, [qsd.mounts["d0"]], HALF)
    rounds, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end or rounds < 5:
        disks = daemon.begin("--checkpoint", "newest")["disk"]
        if rounds % 4 == 0:
            together.advance(100)
            check_instant(t, disks, together, alone)
        daemon.abort()
        rounds += 1
    written, more = together.stop(), alone.stop()
    for name in DISKS:
        total = written + (more if name == "d0" else 0)
        have = qsd.bitmaps(name)
        t.say(f"{name}: {rounds} rounds, {total} granules, bitmaps {have}")
        t.check(have == {"base": (total, True)},
                f"{name}: of {total} granules, the range has {have}")


main(test)
