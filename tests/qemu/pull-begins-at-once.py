#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A pull that begins beside an idle guest is not limited, from its first byte on;
one that begins beside a guest that works is."""

from pullbacktest import MIB, VM, Daemon, Disk, main, start_load, stop_load
from pullbacktest.clients import open_nbd
from pullbacktest.outcome import wait_until
from pullbacktest.pacefile import DUE, read_word, slot_limits

UNLIMITED = (1 << 64) - 1
GATE = 64 * MIB


def test(t):
    # Room for first writes, which alone are heard of, for as long as somebody looks.
    vm = VM(t, [Disk("vda", "raw", 512 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    uri = daemon.begin()["disk"]["vda"]["uri"]
    path = daemon.pace_file()

    def await_word(limit, what):
        """While nobody reads."""
        wait_until(lambda: slot_limits(path) == [limit] and
                   daemon.info()["pace"]["reason"] == "nobody reads", 30,
                   lambda: f"{what}: {slot_limits(path)}")

    def pull():
        handle = open_nbd(uri)
        for number in range(16):
            handle.pread(MIB, number * MIB)
        handle.shutdown()

    await_word(UNLIMITED, "at rest")
    pull()
    t.check(read_word(path, DUE) == 0, "somebody had to wait at rest")
    start_load(t, vm)
    await_word(GATE, "at work")
    pull()
    t.check(read_word(path, DUE) != 0, "nobody had to wait at work")
    stop_load(t, vm)
    await_word(UNLIMITED, "at rest again")
    daemon.commit()


main(test)
