#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-many-at-once.json
"""Many disks of one VM, and many VMs, backed up at the same time by one daemon, and
by QEMU's own commands. All have as many bytes together, so that whatever is shared
and becomes narrow shows as a rate that falls as the number grows.

begin-s: until the last of all can be pulled; MiB/s: of all pulls together, one
client for each disk; MiB: memory of all views, sinks and gateways, and the daemon;
cpu: processor seconds per GiB pulled."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from fleecingways import (Fleecing, Pullback, fill, let_discards_end,
                          make_cold)
from processortime import ProcessorTime
from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy
from pullbacktest.processes import memory_of
from sides import Sides, parse, parser

MOST = 32

words = parser(__doc__)
words.add_argument("--size", type=int, default=2048,
                   help="MiB of all disks together")
words.add_argument("--direct", action="store_true",
                   help="the VMs open the images with cache.direct")
options = parse(words)
# (virtual machines, disks of each)
CELLS = [(1, 1), (1, 8), (1, MOST), (8, 1), (MOST, 1)]
if options.short:
    options.size = min(options.size, 128)
    CELLS = [(1, 1), (1, 4), (4, 1)]


def at_once(function, items):
    """Fails as the first of them does."""
    with ThreadPoolExecutor(max_workers=len(items)) as pool:
        return list(pool.map(function, items))


class Machines:
    def __init__(self, t, machines, disks):
        size = options.size * MIB // (machines * disks)
        name = f"{machines}x{disks}"
        self.vms = []
        for number in range(machines):
            mine = [Disk(f"vd{disk}", "raw", size, direct=options.direct,
                         device=False,
                         path=t.path(f"{name}-{number}-{disk}.raw"))
                    for disk in range(disks)]
            for disk in mine:
                fill(disk)
            self.vms.append(VM(t, mine, boot=False))
        self.daemon = Daemon(t, name=name)
        self.ways = {
            "pullback": [Pullback(t, vm, self.daemon, vm.name)
                         for vm in self.vms],
            "qemu-fleecing": [Fleecing(t, vm) for vm in self.vms]}

    def one_round(self, name):
        ways = self.ways[name]
        os.sync()
        let_discards_end()
        start = time.monotonic()
        at_once(lambda way: way.begin(), ways)
        found = {"begin-s": time.monotonic() - start}
        try:
            # Only now: some hosts take memory back that is free for seconds, and
            # reading into it costs more than all else.
            make_cold(*[disk.path for vm in self.vms
                        for disk in vm.disks.values()])
            times = [ProcessorTime(way.vm, way.processes()) for way in ways]
            for one in times:
                one.start()
            start = time.monotonic()
            at_once(lambda uri: nbdcopy(uri, "null:", "--connections=1"),
                    [uri for way in ways for uri in way.uris.values()])
            found["MiB/s"] = options.size / (time.monotonic() - start)
            found["cpu"] = self.sum(times)
            found["MiB"] = self.memory(ways)
        finally:
            start = time.monotonic()
            at_once(lambda way: way.end(), ways)
            found["end-s"] = time.monotonic() - start
        return found

    @staticmethod
    def sum(times):
        """Clients and the daemon are of all."""
        every = [one.per_gib(options.size * MIB) for one in times]
        return {who: every[0][who] if who in ("client", "daemon")
                else sum(one[who] for one in every) for who in every[0]}

    @staticmethod
    def memory(ways):
        pids = {pid for way in ways for pid in way.processes().values()}
        return sum(memory_of(pid)[0] for pid in pids) / MIB

    def close(self):
        self.daemon.terminate()
        for vm in self.vms:
            vm.quit()
            for disk in vm.disks.values():
                os.unlink(disk.path)


def bench(t):
    sides = Sides(t, options, {"MiB/s": True, "begin-s": False, "end-s": False,
                               "MiB": False, "cpu": False})
    for count, disks in CELLS:
        cell = f"{count} VMs of {disks} disks"
        if sides.wants(cell):
            machines = Machines(t, count, disks)
            sides.measure(cell, {name: lambda name=name:
                                 machines.one_round(name)
                                 for name in machines.ways})
            machines.close()
    sides.finish()


main(bench)
