#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-guest-first.json
"""What a pull at full speed costs the guest, and what it gets: the guest alone,
a backup that nobody pulls, one that is pulled with and without pacing, or only
after the guest's work, and QEMU's own NBD export of a qcow2 fleecing overlay, by
turns in one VM.  A cell is a format, a way to open the image and a place for image
and scratch:

    guest-first.py                              # all cells: about 20 minutes
    guest-first.py --short                      # one cell, two rounds: a minute
    guest-first.py --cell qcow2,direct,tmpfs --rounds 3
    guest-first.py --load mixed --json FILE --plot FILE.png
    guest-first.py --cell raw,direct,slow       # a disk that does little
    guest-first.py --cell raw,buffered,disk --cold

Medians of the rounds.  It fails where a target is missed.  The client is on this
machine too, and takes its share of the processors like everything else."""

import argparse
import contextlib
import itertools
import json
import os
import statistics
import threading
import time

import guestfirstplot
import picture
from fleecingways import Fleecing, Pullback, drop_page_cache, fill, forget
from processortime import ProcessorTime
from pullbacktest import MIB, VM, Disk, Failed, Skip, main, need, run
from pullmeter import PullMeter
from slowdisk import SlowDisk

FORMATS = ("raw", "qcow2")
OPENED = ("buffered", "direct")         # QEMU's cache=writeback, cache=none
PLACES = ("disk", "tmpfs")
SLOW = "slow"                           # a third one, only if asked for
LOADS = {
    "writes": "size=4096",
    "mixed": "size=16384 reads=50",
    "light": "size=4096 rate=100",
    "bursty": "size=4096 on=300 off=700",
}
# When it is pulled: not at all, while the guest works and after, only after.
NEVER, ALWAYS, AFTER = range(3)
# name: (way, what backup-begin gets, when it is pulled)
CONDITIONS = {
    "alone": (None, (), NEVER),
    "fleecing": ("pullback", (), NEVER),
    "paced": ("pullback", (), ALWAYS),
    "unpaced": ("pullback", ("--pace=off",), ALWAYS),
    # A guest that kept its IOPS has written more, and old data that was stored takes
    # longer to read: what "paced" reads then is to be compared with this.
    "after": ("pullback", ("--pace=off",), AFTER),
    "qemu-fleecing": ("qemu", (), NEVER),
    "qemu": ("qemu", (), ALWAYS),
}
FLOOR = 16                      # MiB/s that a pull may always have
TMPFS = "/dev/shm"
STEP = 0.25                     # seconds
IDLE = (1.0, 2.5)               # seconds after the guest went idle
COLD_EVERY = 0.05               # seconds

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--cell", action="append", metavar="FORMAT,OPENED,PLACE",
                    help="only this one: raw|qcow2,buffered|direct,"
                    "disk|tmpfs|slow")
parser.add_argument("--short", action="store_true",
                    help="--cell raw,direct,disk --rounds 2")
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--seconds", type=float, default=3.0,
                    help="of each condition")
parser.add_argument("--size", type=int, default=1024, help="MiB")
parser.add_argument("--load", default="writes", choices=LOADS)
parser.add_argument("--slow", default="1500,150", metavar="IOPS,MIB",
                    type=lambda words: [int(word) for word in words.split(",")],
                    help="what a slow disk does in a second")
parser.add_argument("--conditions", metavar="NAME,...",
                    type=lambda words: words.split(","),
                    default=list(CONDITIONS), help="only these, and no verdict: "
                    + " ".join(CONDITIONS))
parser.add_argument("--cold", action="store_true",
                    help="what was read leaves the page cache at once, as with "
                    "a disk much larger than memory")
parser.add_argument("--details", action="store_true",
                    help="a line for each condition")
parser.add_argument("--json", metavar="FILE")
parser.add_argument("--plot", metavar="FILE",
                    help="a PNG of both rates over time (with more cells "
                    "FILE-CELL); needs gnuplot")
options = parser.parse_args()
# ./run sets it to find errors; here it would be what is measured.
os.environ.pop("MALLOC_PERTURB_", None)


def sleep_until(when):
    """A measured span, not a wait for something."""
    time.sleep(max(0, when - time.monotonic()))


class Stage:
    """A VM with one filled disk, and both ways to fleece it."""

    def __init__(self, t, cell):
        form, opened, self.place = cell
        place = self.place
        folder = t.folder_below(TMPFS) if place == "tmpfs" else t.folder
        if place != "tmpfs" and filesystem(folder) == "tmpfs":
            raise Skip(f"{folder} is not on a disk: set TMPDIR")
        room = os.statvfs(folder)
        if room.f_bavail * room.f_frsize < 3 * options.size * MIB:
            raise Skip(f"{folder} has no room for three times {options.size} "
                       "MiB")
        if opened == "direct":
            try_direct(folder)
        self.size = options.size * MIB
        self.disk = Disk("vda", form, self.size, direct=opened == "direct",
                         path=os.path.join(folder, "vda." + form))
        fill(self.disk)
        if place == SLOW:
            self.disk.path = SlowDisk(t, self.disk.path, *options.slow).path
        self.vm = VM(t, [self.disk])
        name = "-".join(cell)
        # It belongs to one daemon.
        scratch = os.path.join(folder, name + "f")
        self.ways = {"pullback": Pullback(t, self.vm, scratch=scratch,
                                          name=name),
                     "qemu": Fleecing(t, self.vm, folder)}
        self.seeds = itertools.count(1)

    def start_load(self):
        self.vm.guest(f"iops seed={next(self.seeds)} disk=vda "
                      + LOADS[options.load])

    def stop_load(self):
        """The last lap."""
        lap = self.vm.guest("stop")
        need(lap["errors"] == 0, f"the guest saw I/O errors: {lap}")
        return lap

    def close(self):
        self.ways["pullback"].close()
        self.vm.quit()
        if self.place != SLOW:
            os.unlink(self.disk.path)


def filesystem(folder):
    return run("stat", "-f", "-c", "%T", folder).stdout.strip()


def try_direct(folder):
    path = os.path.join(folder, "direct")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT))
    except OSError as error:
        raise Skip(f"{filesystem(folder)} has no O_DIRECT in this kernel: "
                   f"{error.strerror}")
    finally:
        if os.path.exists(path):
            os.unlink(path)


@contextlib.contextmanager
def kept_cold(path):
    """As long as this lasts, if --cold says so."""
    over = threading.Event()

    def forget_again():
        while not over.wait(COLD_EVERY):
            forget(path)

    thread = threading.Thread(target=forget_again if options.cold
                              else lambda: None)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(stage, condition):
    """One round of one condition: what the guest and the client got."""
    with kept_cold(stage.disk.path):
        return measure_once(stage, condition)


def measure_once(stage, condition):
    name, more, pulled = CONDITIONS[condition]
    way = stage.ways.get(name)
    drop_page_cache()
    uri = way.begin(*more) if way else None
    meter = None
    try:
        times = ProcessorTime(stage.vm, way.processes() if way else None)
        stage.start_load()
        sleep_until(time.monotonic() + STEP)
        stage.vm.guest("lap")
        start = time.monotonic()
        times.start()
        if pulled == ALWAYS:
            meter = PullMeter(uri, stage.size)
        sleep_until(start + options.seconds)
        shares = times.shares(meter and meter.process.pid)
        lap = stage.stop_load()
        result = {"iops": lap["ops"] * 1e6 / lap["us"],
                  "p50-us": lap["p50-us"], "p99-us": lap["p99-us"],
                  "max-us": lap["max-us"], "processors": shares}
        stopped = time.monotonic()
        if pulled != NEVER:
            forget(stage.disk.path)     # all read as cold from here on
            meter = meter or PullMeter(uri, stage.size)
            sleep_until(stopped + IDLE[1] + STEP)
            result.update(idle_rates(meter, stopped))
        if pulled == ALWAYS:
            # The client's first requests all come at once.
            result["pull"] = meter.rate(start + 2 * STEP, stopped) / MIB
    finally:
        failed = meter.close() if meter else None
        if way:
            way.end()
    need(not failed, failed)
    return result


def idle_rates(meter, begin):
    """Since the guest became idle."""
    steps = [begin + number * STEP for number in range(int(IDLE[1] / STEP))]
    return {"idle": meter.rate(begin + IDLE[0], begin + IDLE[1]) / MIB,
            "idle-steps": [meter.rate(at, at + STEP) / MIB for at in steps]}


def run_cell(t, cell):
    """{condition: [result of each round]}"""
    stage = Stage(t, cell)
    results = {condition: [] for condition in options.conditions}
    for number in range(options.rounds):
        # None always comes first, or after the same other.
        order = list(options.conditions)
        order = order[number % len(order):] + order[:number % len(order)]
        for condition in order[::-1] if number % 2 else order:
            results[condition].append(measure(stage, condition))
    if options.plot:
        plot(stage, cell)
    stage.close()
    return results


def plot(stage, cell):
    stem, ending = os.path.splitext(options.plot)
    guestfirstplot.draw(
        stage, " ".join(cell) + ", " + LOADS[options.load],
        [(condition, stage.ways[CONDITIONS[condition][0]],
          CONDITIONS[condition][1]) for condition in
         ("paced", "unpaced", "qemu")],
        options.plot if len(chosen_cells()) == 1
        else f"{stem}-{'-'.join(cell)}{ending}")


def medians(rounds):
    numbers = [key for key in rounds[0]
               if key not in ("processors", "idle-steps")]
    found = {key: statistics.median(r[key] for r in rounds)
             for key in numbers}
    found["worst-us"] = max(r["max-us"] for r in rounds)
    for key in ("processors", "idle-steps"):
        if key == "processors":
            found[key] = {role: statistics.median(
                r[key].get(role, 0) for r in rounds) for role in rounds[0][key]}
        elif key in rounds[0]:
            found[key] = [statistics.median(column) for column in
                          zip(*(r[key] for r in rounds))]
    return found


def judge(m):
    """What is promised: (name, is it kept, how it stands)."""
    base, paced = m["fleecing"], m["paced"]
    share = paced["iops"] / base["iops"]
    tail = paced["p99-us"] / base["p99-us"]
    idle = paced["idle"] / m["after"]["idle"]
    cost = base["iops"] / m["qemu-fleecing"]["iops"]
    return [
        ("guest", share >= 0.8, f"{share:.2f} of its IOPS, wants 0.8"),
        ("p99", tail <= 2, f"p99 is {tail:.2f} times as long, wants 2"),
        ("idle", idle >= 0.9,
         f"the pull beside an idle guest is {idle:.2f} of unpaced, wants 0.9"),
        # The client tells its progress in steps.
        ("floor", paced["pull"] >= 0.95 * FLOOR,
         f"the pull has {paced['pull']:.0f} MiB/s, wants {FLOOR}"),
        # A twentieth is what two runs of the same differ by.
        ("fleecing", cost >= 0.95,
         f"fleecing leaves {cost:.2f} of what QEMU's leaves, wants 1"),
    ]


COLUMNS = f"""\
{'':22}{'IOPS of the guest':^44}|{'p99 ms':^20}|{'pull MiB/s':^20}|{'idle':^11}|
{'':22}{'alone':>7}{'fleece':>7}{'paced':>7}{'unpaced':>8}{'QEMU':>7}{'Q.fl':>8}|\
{'fleece':>7}{'paced':>7}{'QEMU':>6}|{'paced':>6}{'unpac.':>7}{'QEMU':>6} |\
{'paced':>6}{'full':>5}| verdict"""


def line_of(cell, m, verdicts):
    missed = [name for name, kept, _ in verdicts if not kept]
    iops = [m[c]["iops"] for c in ("alone", "fleecing", "paced", "unpaced",
                                   "qemu", "qemu-fleecing")]
    p99 = [m[c]["p99-us"] / 1000 for c in ("fleecing", "paced", "qemu")]
    pull = [m[c]["pull"] for c in ("paced", "unpaced", "qemu")]
    return (f"{' '.join(cell):22}"
            + "{:7.0f}{:7.0f}{:7.0f}{:8.0f}{:7.0f}{:8.0f}|".format(*iops)
            + "{:7.2f}{:7.2f}{:6.1f}|".format(*p99)
            + "{:6.0f}{:7.0f}{:6.0f} |".format(*pull)
            + f"{m['paced']['idle']:6.0f}{m['after']['idle']:5.0f}| "
            + ("misses " + ", ".join(missed) if missed else "kept"))


def detail_of(condition, one):
    text = (f"    {condition:14}{one['iops']:7.0f} IOPS  "
            f"p50 {one['p50-us'] / 1000:.2f}  p99 {one['p99-us'] / 1000:.2f}  "
            f"max {one['max-us'] / 1000:.1f}  "
            f"worst {one['worst-us'] / 1000:.1f} ms")
    if "pull" in one:
        text += f"  pull {one['pull']:.0f} MiB/s"
    if "idle-steps" in one:
        text += "  idle " + " ".join(f"{rate:.0f}" for rate in one["idle-steps"])
    return text + "  processors: " + " ".join(
        f"{role} {share:.2f}" for role, share in one["processors"].items())


def chosen_cells():
    cells = [tuple(words.split(",")) for words in options.cell or ()]
    if options.short:
        cells, options.rounds = cells or [("raw", "direct", "disk")], 2
    every = list(itertools.product(FORMATS, OPENED, PLACES))
    for cell in cells:
        if cell not in itertools.product(FORMATS, OPENED, (*PLACES, SLOW)):
            parser.error(f"--cell {','.join(cell)}: FORMAT,OPENED,PLACE is "
                         "raw|qcow2,buffered|direct,disk|tmpfs|slow")
    if set(options.conditions) - set(CONDITIONS):
        parser.error("--conditions: there are " + " ".join(CONDITIONS))
    return cells or every


def bench(t):
    cells = chosen_cells()
    if options.plot:
        picture.look_for_gnuplot()
    found = {}
    t.say(f"load {options.load}: {LOADS[options.load]}; {options.size} MiB, "
          f"{options.rounds} rounds of {options.seconds:g} s; client, gateway, "
          f"view, sink and guest share {os.cpu_count()} processors")
    if len(options.conditions) == len(CONDITIONS):
        t.say(COLUMNS)
    for cell in cells:
        try:
            results = run_cell(t, cell)
        except Skip as skip:
            t.say(f"{' '.join(cell):22}not measured: {skip}")
            continue
        m = {name: medians(rounds) for name, rounds in results.items()}
        whole = len(m) == len(CONDITIONS)
        verdicts = judge(m) if whole else []
        if whole:
            t.say(line_of(cell, m, verdicts))
        else:
            t.say(" ".join(cell))
        if options.details or not whole:
            for name, one in m.items():
                t.say(detail_of(name, one))
        found[cell] = {"medians": m, "rounds": results, "verdicts": verdicts}
    if options.json:
        with open(options.json, "w") as stream:
            json.dump({"options": vars(options), "cells": {
                ",".join(cell): one for cell, one in found.items()}},
                stream, indent=1)
    if not found:
        raise Skip("no cell can be measured here")
    for cell, one in found.items():
        for name, kept, text in one["verdicts"]:
            t.check(kept, f"{' '.join(cell)}: {text}")


main(bench)
