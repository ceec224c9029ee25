#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-neighbours.json
"""Several VMs with their images on one device, all of whose guests write: what they
keep while one, or each of them, is pulled from, paced (pullback), unpaced, or by
QEMU's own fleecing, beside backups that nobody pulls (fleecing). By turns.

IOPS: of all guests together; least: of the one that has least; p99-us: of the one
that waits longest."""

import itertools
import os
import time

from fleecingways import Fleecing, Pullback, drop_page_cache, fill
from pullbacktest import MIB, VM, Daemon, Disk, main, need
from pullmeter import PullMeter
from sides import Sides, parse, parser

LOAD = "size=4096"
SETTLE = 0.5                    # seconds before what is measured

words = parser(__doc__)
words.add_argument("--size", type=int, default=512, help="MiB of each disk")
words.add_argument("--seconds", type=float, default=3.0)
words.add_argument("--load", default=LOAD, help="of tests/guest/guest-writer.c")
options = parse(words)
COUNTS = (2, 4)
if options.short:
    options.size, options.seconds, COUNTS = 128, 1.0, (2,)


class Neighbours:
    def __init__(self, t, count):
        self.vms = []
        for number in range(count):
            disk = Disk("vda", "raw", options.size * MIB, direct=True,
                        path=t.path(f"{count}-{number}.raw"))
            fill(disk)
            self.vms.append(VM(t, [disk]))
        self.daemon = Daemon(t, name=f"n{count}")
        self.ours = [Pullback(t, vm, self.daemon, vm.name) for vm in self.vms]
        self.theirs = [Fleecing(t, vm) for vm in self.vms]
        self.seeds = itertools.count(1)

    def one_round(self, ways, words, pulled):
        """The first PULLED of them have a client."""
        drop_page_cache()
        uris = [way.begin(*words) for way in ways]
        meters = []
        try:
            for vm in self.vms:
                vm.guest(f"iops seed={next(self.seeds)} disk=vda "
                         + options.load)
            meters += [PullMeter(uri, options.size * MIB)
                       for uri in uris[:pulled]]
            time.sleep(SETTLE)              # measured spans, both
            for vm in self.vms:
                vm.guest("lap")
            start = time.monotonic()
            time.sleep(options.seconds)
            end = time.monotonic()
            laps = [vm.guest("stop") for vm in self.vms]
            # The client tells its progress in steps.
            time.sleep(SETTLE)
            rates = [meter.rate(start, end) / MIB for meter in meters]
        finally:
            failed = [meter.close() for meter in meters]
            for way in ways:
                way.end()
        need(not any(failed), f"{failed}")
        need(all(lap["errors"] == 0 for lap in laps), f"{laps}")
        every = [lap["ops"] * 1e6 / lap["us"] for lap in laps]
        return {"IOPS": sum(every), "least": min(every),
                "p99-us": max(lap["p99-us"] for lap in laps),
                "pull-MiB/s": sum(rates)}

    def measure(self, sides, cell, pulled):
        sides.measure(cell, {
            "pullback": lambda: self.one_round(self.ours, (), pulled),
            "fleecing": lambda: self.one_round(self.ours, (), 0),
            "unpaced": lambda: self.one_round(self.ours, ("--pace=off",),
                                              pulled),
            "qemu-fleecing": lambda: self.one_round(self.theirs, (), pulled)})

    def close(self):
        self.daemon.terminate()
        for vm in self.vms:
            vm.quit()
            os.unlink(vm.disks["vda"].path)


def bench(t):
    sides = Sides(t, options, {"IOPS": True, "least": True, "p99-us": False,
                               "pull-MiB/s": True})
    for count in COUNTS:
        cells = {f"{count} VMs, {pulled} pulled": pulled
                 for pulled in (1, count)
                 if sides.wants(f"{count} VMs, {pulled} pulled")}
        if cells:
            neighbours = Neighbours(t, count)
            for cell, pulled in cells.items():
                neighbours.measure(sides, cell, pulled)
            neighbours.close()
    sides.finish()


main(bench)
