# SPDX-License-Identifier: LGPL-2.1-or-later
"""A picture of what guest and pull get over time, as the guest goes idle and
wakes again: pullback paced, unpaced, and QEMU's own export."""

import os
import time

import picture
from pullbacktest import MIB, need
from pullmeter import PullMeter

STEP = 0.2                      # seconds
# (until when, in seconds, does the guest work)
PHASES = ((5.0, True), (8.0, False), (12.0, True))
PULL_BEGINS = 2.0

# In gnuplot's language.
HEAD = """\
set terminal pngcairo size 1000,%d font 'sans,10'
set output '%s'
set multiplot layout %d,1 title '%s'
set lmargin 10
set rmargin 10
set xrange [0:%g]
set yrange [0:%d]
set y2range [0:%d]
set ytics nomirror
set y2tics
set ylabel 'IOPS of the guest'
set y2label 'MiB/s of the pull'
set grid
set key outside bottom center horizontal
"""
PANEL = """\
set title '%s'
plot $data%d using 1:2 with lines linewidth 2 title 'guest', \\
     $data%d using 1:3 axes x1y2 with lines linewidth 2 title 'pull'
"""


def follow(stage, uri):
    """[(seconds, the guest's IOPS, the pull's MiB/s)]"""
    meter, laps, works = None, [], False
    begin = time.monotonic()
    try:
        for until, busy in PHASES:
            if busy != works:
                stage.start_load() if busy else stage.stop_load()
                works = busy
            while time.monotonic() < begin + until:
                now = time.monotonic()
                if meter is None and now >= begin + PULL_BEGINS:
                    meter = PullMeter(uri, stage.size)
                time.sleep(STEP)
                laps.append((now, time.monotonic(), works
                             and stage.vm.guest("lap")["ops"]))
        if works:
            stage.stop_load()
        time.sleep(STEP)        # for the last news of the pull
    finally:
        failed = meter.close() if meter else None
    need(not failed, failed)
    return [(start - begin, ops / (end - start),
             meter.rate(start - STEP, end + STEP) / MIB
             if start >= begin + PULL_BEGINS else 0)
            for start, end, ops in laps]


def draw(stage, title, begins, path):
    """BEGINS: (name, way, what its begin () gets).  The picture in PATH."""
    series = []
    for name, way, more in begins:
        uri = way.begin(*more)
        series.append((name, follow(stage, uri)))
        way.end()
    rows = [row for _, found in series for row in found]
    script = HEAD % (280 * len(series), os.path.abspath(path), len(series),
                     title, PHASES[-1][0], max(row[1] for row in rows) * 1.05 + 1,
                     max(row[2] for row in rows) * 1.05 + 1)
    for number, (name, found) in enumerate(series):
        script += f"$data{number} << end\n"
        script += "".join(f"{a:.3f} {b:.0f} {c:.1f}\n" for a, b, c in found)
        script += "end\n" + PANEL % (name, number, number)
    picture.draw(script)
