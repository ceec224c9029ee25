#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: waits
"""A daemon takes over a backup whose fleece store an earlier version began, without a
slot table: it goes on as long as that version's sink and view live.  Where another sink
must be started the backup is broken, no client reads anything, and the guest goes on."""

import os

import nbd

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, start_load,
                          stop_load, wait_until)
from pullbacktest.clients import open_nbd

FEATURES = 12                   # where they are in the header


def make_older(daemon):
    """The maps' names and header as it has them; its processes know their own."""
    maps = f"{daemon.runtime}/.maps/vm1"
    os.unlink(f"{maps}/vda.slots")
    with open(f"{maps}/vda.present", "r+b") as f:
        os.pwrite(f.fileno(), bytes(4), FEATURES)


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    vm.guest(f"write vda 0 {MIB} 17")
    disk = daemon.begin("--checkpoint", "mon")["disk"]["vda"]
    sink = daemon.pid_of("sink")
    daemon.kill9()
    make_older(daemon)
    daemon.start()
    info = daemon.info()
    t.check(info["state"] == "ready" and info["adopted"] == 1, f"{info}")
    t.check(daemon.pid_of("sink") == sink, "it has another sink")
    start_load(t, vm, "rate=200")
    handle = open_nbd(disk["uri"])
    t.check(handle.pread(MIB, 0) == bytes([17]) * MIB, "not what was frozen")
    kill(sink)
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"the backup is not broken: {daemon.info()}")
    t.check("scratch-error: " in daemon.info()["reason"], daemon.info())
    # By EIO, or as the view has been ended, too.
    try:
        handle.pread(512, 0)
        t.check(False, "a client reads from it")
    except nbd.Error:
        pass
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 45, "the guest does not go on")
    stop_load(t, vm)
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
