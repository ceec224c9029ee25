#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that does nothing is idle, whatever another one writes to the same
device, and limits nobody."""

import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, start_load, stop_load
from pullbacktest.clients import open_nbd
from pullbacktest.outcome import wait_until


def test(t):
    # Room for first writes, which alone are heard of, all the time.
    busy = VM(t, [Disk("vda", "raw", 512 * MIB)])
    idle = VM(t, [Disk("vdb", "raw", 64 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(busy)
    daemon.add(idle, name="vm2")
    uri = daemon.begin()["disk"]["vda"]["uri"]
    daemon.begin(name="vm2")
    stop = threading.Event()
    handle = open_nbd(uri)

    def pull():
        while not stop.is_set():
            handle.pread(MIB, 0)

    start_load(t, busy, "rate=200 max=65536")
    thread = threading.Thread(target=pull)
    thread.start()
    wait_until(lambda: daemon.info()["pace"]["reason"]
               .startswith("paced: guest at"), 30, "vm1 is not at work")
    wait_until(lambda: daemon.info("vm2")["pace"]["guest"] == "idle", 30,
               lambda: f"vm2 is not idle: {daemon.info('vm2')['pace']}")
    said = [daemon.info("vm2")["pace"] for _ in range(30)]
    stop.set()
    thread.join()
    handle.shutdown()
    stop_load(t, busy)
    # What nobody reads beside is not known.
    t.check(all(pace["guest"] in ("idle", "unknown") for pace in said),
            f"vm2 is not idle: {said}")
    daemon.abort()
    daemon.abort(name="vm2")


main(test)
