#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A pull is limited while the guest works and gets at least the floor, and is
not limited when the guest rests; with --pace=off it never is; a --max-rate
holds whatever the guest does; a limit that makes no sense is refused."""

import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, start_load, stop_load
from pullbacktest.clients import open_nbd
from pullbacktest.outcome import wait_until
from pullbacktest.processes import command_line


class Pull:
    """Reads without an end, until it is left."""

    def __init__(self, uri):
        self.handle = open_nbd(uri)
        self.stopping = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping:
            self.handle.pread(MIB, 0)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exception):
        self.stopping = True
        self.thread.join()
        self.handle.shutdown()


def wait_for(daemon, what, holds):
    def look():
        pace = daemon.info()["pace"]
        return holds(pace) and pace
    return wait_until(look, 30, lambda: f"{what}: {daemon.info()['pace']}")


def check_reads(t, daemon, threads):
    """Not paced, a view has more of its reads in the disk's queue."""
    line = command_line(daemon.processes("vm1")["view"])
    t.check(f" --threads={threads} " in line, f"not {threads}: {line}")


def test(t):
    # Room for first writes, which alone are heard of, for as long as somebody looks.
    vm = VM(t, [Disk("vda", "raw", 512 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    for words, saying in ((("--pace", "slow"), "neither guest-first nor off"),
                          (("--max-rate", "1023K"), "at least 1M"),
                          (("--max-rate", "fast"), "no number of bytes")):
        daemon.refuses("backup-begin", "vm1", *words, saying=[saying])

    uri = daemon.begin()["disk"]["vda"]["uri"]
    t.check(daemon.info()["pace"]["mode"] == "guest-first", "the mode")
    check_reads(t, daemon, 4)
    with Pull(uri):
        wait_for(daemon, "at rest", lambda p: p["guest"] == "idle" and
                 p["limit"] is None)
        start_load(t, vm)
        pace = wait_for(daemon, "at work", lambda p: p["guest"] == "active" and
                        p["reason"].startswith("paced: guest at"))
        t.say(f"at work: {pace}")
        t.check(pace["limit"] >= 16 * MIB, "the floor is not kept")
        stop_load(t, vm)
        wait_for(daemon, "at rest again", lambda p: p["limit"] is None)
    daemon.commit()

    uri = daemon.begin("--pace=off", "--max-rate=8M")["disk"]["vda"]["uri"]
    check_reads(t, daemon, 8)
    start_load(t, vm)
    with Pull(uri):
        pace = wait_for(daemon, "max-rate", lambda p: p["rate"] > 0)
        t.check(pace["mode"] == "off" and pace["limit"] == 8 * MIB and
                pace["max-rate"] == 8 * MIB, f"with --max-rate: {pace}")
    stop_load(t, vm)
    daemon.commit()
    daemon.assert_nothing_left()


main(test)
