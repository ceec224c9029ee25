#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-raw.json
# mark: bench --format qcow2 --json bench-qcow2.json
"""Pull throughput and the guest's write rate during the pull: pullback next
to QEMU's own NBD export of a qcow2 fleecing overlay, in one run, on the same
VM and disk, by turns (A B B A ...).  What counts are the ratios.

    pull-throughput.py [--rounds N] [--size MIB] [--format raw|qcow2]
                       [--connections N] [--idle] [--warm] [--json FILE]"""

import argparse
import json
import os
import statistics
import time

from fleecingways import Fleecing, Pullback, drop_page_cache, fill
from pullbacktest import MIB, VM, Disk, main, nbdcopy

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--size", type=int, default=1024, help="MiB")
parser.add_argument("--format", default="raw", choices=("raw", "qcow2"))
parser.add_argument("--connections", type=int, default=4)
parser.add_argument("--direct", action="store_true",
                    help="the VM opens the image with cache.direct")
parser.add_argument("--rate", type=int, default=0,
                    help="guest writes a second at most; 0: as fast as it can")
parser.add_argument("--idle", action="store_true",
                    help="only pulls beside which the guest does nothing")
parser.add_argument("--warm", action="store_true",
                    help="the image stays in the page cache between rounds")
parser.add_argument("--json", metavar="FILE")
options = parser.parse_args()
# ./run sets it to find errors; here it would be what is measured.
os.environ.pop("MALLOC_PERTURB_", None)


def pulled(vm, uri, load):
    """(bytes a second, guest's numbers) of one pull."""
    if load:
        vm.guest(f"iops seed={time.monotonic_ns() % 100000} disk=vda "
                 f"rate={options.rate}")
    start = time.monotonic()
    nbdcopy(uri, "null:", f"--connections={options.connections}")
    seconds = time.monotonic() - start
    guest = vm.guest("stop") if load else None
    return vm.disks["vda"].size / seconds, guest


def one_round(vm, way):
    result = {}
    for load in (False,) if options.idle else (False, True):
        if not options.warm:
            drop_page_cache()
        uri = way.begin()
        rate, guest = pulled(vm, uri, load)
        way.end()
        if load:
            result["busy-MiB/s"] = rate / MIB
            result["guest-IOPS"] = guest["ops"] * 1e6 / guest["us"]
            result["guest-p99-us"] = guest["p99-us"]
            assert guest["errors"] == 0, guest
        else:
            result["idle-MiB/s"] = rate / MIB
    return result


def guest_alone(vm, seconds=3):
    """The guest's rate when nobody pulls."""
    vm.guest(f"iops seed=1 disk=vda rate={options.rate}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)         # a measured span, not a wait for something
    guest = vm.guest("stop")
    return guest["ops"] * 1e6 / guest["us"]


def report(t, results, alone):
    medians = {way: {key: statistics.median(r[key] for r in rounds)
                     for key in rounds[0]}
               for way, rounds in results.items()}
    ours, theirs = medians["pullback"], medians["qemu-fleecing"]
    ratios = {key: ours[key] / theirs[key] if theirs[key] else None
              for key in ours}
    t.say(f"\n{options.format} disk of {options.size} MiB, "
          f"{options.rounds} rounds, {options.connections} connections, "
          f"medians; the guest alone does {alone:.0f} IOPS")
    t.say(f"{'':24}{'pullback':>12}{'QEMU':>12}{'ratio':>9}")
    for key in ours:
        t.say(f"{key:24}{ours[key]:12.0f}{theirs[key]:12.0f}"
              f"{ratios[key]:9.2f}")
    numbers = {"options": vars(options), "guest-alone-IOPS": alone,
               "medians": medians, "ratios": ratios, "rounds": results}
    text = json.dumps(numbers, indent=1)
    if options.json:
        with open(options.json, "w") as stream:
            stream.write(text + "\n")
    else:
        t.say(text)


def bench(t):
    disk = Disk("vda", options.format, options.size * MIB,
                direct=options.direct)
    disk.path = t.path(f"vda.{options.format}")
    fill(disk)
    vm = VM(t, [disk])
    ways = [Pullback(t, vm), Fleecing(t, vm)]
    results = {way.name: [] for way in ways}
    alone = guest_alone(vm)
    for number in range(options.rounds):
        # A B, B A, ...: neither always comes second.
        for way in ways[::-1] if number % 2 else ways:
            results[way.name].append(one_round(vm, way))
            t.say(f"round {number + 1} {way.name}: "
                  f"{results[way.name][-1]}")
    report(t, results, alone)


main(bench)
