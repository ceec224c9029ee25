#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk on an iothread is written to, granule by granule, while checkpoints come
and go: no acknowledged write is missing from the range of the one that stays."""

import os
import time

from pullbacktest import TIB, Daemon, March, StorageDaemon, main, need

# More finds more.
SECONDS = float(os.environ.get("SECONDS", "5"))


def test(t):
    qsd = StorageDaemon(t, {"d0": None}, 4 * TIB)
    daemon = Daemon(t)
    daemon.add(qsd)
    daemon.cli("checkpoint-create", "vm1", "base")
    march = March(t, [qsd.mounts["d0"]])
    rounds, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end or rounds < 10 or march.count < 1000:
        rounds += 1
        daemon.cli("checkpoint-create", "vm1", "newest")
        daemon.cli("checkpoint-delete", "vm1", "newest")
    written = march.stop()
    have = qsd.bitmaps("d0")
    t.say(f"{rounds} rounds, {written} granules written, bitmaps {have}")
    need(have == {"base": (written, True)},
         f"of {written} granules, the range has {have}")


main(test)
