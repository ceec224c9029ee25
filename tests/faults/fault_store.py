# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls the storage of the fleece stores during a pull."""

import time

from pullbacktest import MIB, wait_until
from pullbacktest.faultystore import FaultyStore

from fault_pull import pulled
from stage import QUIET
from table import Row

LIMIT = 6                       # --sink-limit, seconds
SHORT = 1                       # so that a busy machine does not exceed that
# QEMU has a connection again within a second or two of one that was cut.
CUT = LIMIT + 3


def faulty(t):
    return FaultyStore(t, t.path("store"))


STAGE = {"scratch": faulty, "rate": 300,
         "more": ["--sink-limit", str(LIMIT * 1000)]}


# A backup that ends waits for no longer than this, then.
UNLIMITED_CUT = 10 + 3
UNLIMITED = {**STAGE, "more": ["--sink-limit", "0"]}


def broken(stage):
    wait_until(lambda: stage.state() == "broken", 40,
               lambda: f"the backup is {stage.state()!r}")


def store_fails(fault, seconds=0):
    """FAULT (store) until the backup is broken, or for so many SECONDS."""
    def act(stage):
        try:
            fault(stage.store)
            if seconds:
                time.sleep(seconds)
            else:
                broken(stage)
        finally:
            stage.store.heal()
    return act


def store(fault, seconds=0):
    """The same, pulled meanwhile."""
    return pulled(store_fails(fault, seconds))


def room_is_back(stage):
    """Its own filler takes all but a MiB of the rest."""
    broken(stage)
    wait_until(lambda: stage.store.free() > MIB - 65536, 5,
               lambda: f"{stage.store.free()} bytes are free")


def full_until_room(stage):
    try:
        stage.store.fill(MIB)
        room_is_back(stage)
    finally:
        stage.store.heal()


def aborted(stage):
    """The storage hangs until the backup has been aborted."""
    stage.freeze("--checkpoint", "x", "--incremental", stage.base)
    stage.store.freeze()
    try:
        time.sleep(SHORT)
        stage.daemon.abort()
    finally:
        stage.store.heal()
    return "aborted"


def rows():
    yield Row("store/slow", "scratch throttled to 1 MiB/s for 10 s",
              store(lambda s: s.slow(MIB), 10),
              ("goes on", "broken: scratch-slow"), CUT, STAGE)
    yield Row("store/full", "scratch full", store(lambda s: s.fill(MIB)),
              "broken: scratch-full", QUIET, STAGE)
    yield Row("store/room", "scratch full, until others find room there",
              pulled(full_until_room), "broken: scratch-full", QUIET, STAGE)
    yield Row("store/error", "scratch returns EIO", store(FaultyStore.fail),
              "broken: scratch-error", QUIET, STAGE)
    yield Row("store/frozen-short", f"scratch hangs for {SHORT} s",
              store(FaultyStore.freeze, SHORT), "goes on", CUT, STAGE)
    yield Row("store/frozen", "scratch hangs", store(FaultyStore.freeze),
              "broken: scratch-slow", CUT, STAGE)
    yield Row("store/frozen-abort", "scratch hangs, the backup is aborted",
              aborted, "aborted", CUT, STAGE)
    yield Row("store/frozen-abort-unlimited", "scratch hangs, the backup is "
              "aborted, no limit", aborted, "aborted", UNLIMITED_CUT, UNLIMITED)
