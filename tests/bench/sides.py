# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks do alike: several sides of a cell are measured by turns in
one run; medians, a table of ratios, JSON, and a picture of the ratios.

What one round of one side gives is {figure: number}; "cpu" is {who: seconds}."""

import argparse
import datetime
import json
import os
import platform
import statistics
import time

import picture
from pullbacktest import Failed, Skip, run

OURS = "pullback"
WIDE = 40


def parser(doc, rounds=5):
    """The options that all have."""
    found = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--rounds", type=int, default=rounds,
                       help="of each side; the medians count")
    found.add_argument("--rest", type=float, default=1.0, metavar="SECONDS",
                       help="before each: some disks are faster after a pause")
    found.add_argument("--short", action="store_true",
                       help="little of everything: does it run?")
    found.add_argument("--only", action="append", metavar="WORD",
                       help="only cells with this word in their name; each of "
                       "several must be there")
    found.add_argument("--json", metavar="FILE")
    found.add_argument("--plot", metavar="FILE",
                       help="a PNG of the ratios; needs gnuplot")
    # ./run sets it to find errors; here it would be what is measured.
    os.environ.pop("MALLOC_PERTURB_", None)
    return found


def parse(options):
    """What parser () gave, and a script added to."""
    given = options.parse_args()
    if given.short:
        given.rounds, given.rest = min(given.rounds, 2), 0
    return given


def machine():
    """What the figures were taken on."""
    def first_line(*command):
        try:
            return run(*command).stdout.splitlines()[0]
        except (FileNotFoundError, IndexError, Failed):
            return None

    with open("/proc/meminfo") as stream:
        memory = int(stream.readline().split()[1]) >> 20
    return {"date": datetime.date.today().isoformat(),
            "processors": len(os.sched_getaffinity(0)), "GiB": memory,
            "kernel": platform.release(),
            "qemu": first_line("qemu-system-x86_64", "--version"),
            "pullback": first_line("pullback", "--version"),
            "nbdcopy": first_line("nbdcopy", "--version"),
            "fio": first_line("fio", "--version")}


def medians(rounds):
    """Of each figure, and of each part of "cpu", with their sum."""
    found = {}
    for key in rounds[0]:
        if isinstance(rounds[0][key], dict):
            found[key] = {who: statistics.median(r[key].get(who, 0)
                                                 for r in rounds)
                          for who in rounds[0][key]}
            found[key]["sum"] = statistics.median(
                sum(r[key].values()) for r in rounds)
        elif rounds[0][key] is not None:
            found[key] = statistics.median(r[key] for r in rounds)
    return found


def number_of(m, key):
    value = m.get(key)
    return value["sum"] if isinstance(value, dict) else value


class Sides:
    """FIGURES: {name: is more of it better}, in the order of the table; a ratio
    above 1 is in our favour."""

    def __init__(self, t, options, figures):
        self.t, self.options, self.figures = t, options, figures
        self.cells = {}
        if options.plot:
            picture.look_for_gnuplot()

    def wants(self, cell):
        words = cell.replace(",", " ").split()
        return all(word in words for word in self.options.only or ())

    def measure(self, cell, sides):
        """SIDES: {name: function that measures one round}.  What one says with Skip
        leaves only this side out."""
        rounds = {name: [] for name in sides}
        left_out = {}
        for number in range(self.options.rounds):
            # None always comes first, or after the same other.
            order = list(sides)
            order = order[number % len(order):] + order[:number % len(order)]
            if number % 2:
                order.reverse()
            for name in order:
                try:
                    if name not in left_out:
                        time.sleep(self.options.rest)
                        rounds[name].append(sides[name]())
                except Skip as skip:
                    left_out[name] = str(skip)
        for name, why in left_out.items():
            self.t.say(f"{cell}: {name} is not measured: {why}")
            del rounds[name]
        m = {name: medians(found) for name, found in rounds.items()}
        self.cells[cell] = {"medians": m, "ratios": self._ratios(m),
                            "rounds": rounds}
        self._say(cell)

    def _ratios(self, m):
        """{peer: {figure: ours / theirs, or theirs / ours}}"""
        found = {}
        for peer in m:
            if peer == OURS or OURS not in m:
                continue
            found[peer] = {}
            for key, more_is_better in self.figures.items():
                ours, theirs = number_of(m[OURS], key), number_of(m[peer], key)
                if not ours or not theirs:
                    continue
                found[peer][key] = (ours / theirs if more_is_better
                                    else theirs / ours)
        return found

    def _say(self, cell):
        found = self.cells[cell]
        self.t.say(cell)
        for name, m in found["medians"].items():
            ratios = found["ratios"].get(name, {})
            self.t.say(f"    {name:18}" + "  ".join(
                f"{key} {self._show(number_of(m, key))}"
                + (f" ({ratios[key]:.2f})" if key in ratios else "")
                for key in self.figures if number_of(m, key) is not None)
                + self._parts(m))

    @staticmethod
    def _show(value):
        return f"{value:.0f}" if value >= 100 else f"{value:.3g}"

    @staticmethod
    def _parts(m):
        parts = m.get("cpu")
        return "" if not parts else "  [" + " ".join(
            f"{who} {value:.2f}" for who, value in parts.items()
            if who != "sum" and value >= 0.005) + "]"

    def finish(self):
        """The files that were asked for."""
        if not self.cells:
            raise Skip("no cell was measured")
        self.t.say("In brackets: pullback's ratio to it, above 1 in its favour")
        if self.options.json:
            with open(self.options.json, "w") as stream:
                json.dump({"machine": machine(), "options": vars(self.options),
                           "cells": self.cells}, stream, indent=1)
                stream.write("\n")
        if self.options.plot:
            self._draw()

    def _draw(self):
        """The first figure's ratios."""
        key = next(iter(self.figures))
        peers = []
        for cell in self.cells.values():
            peers += [peer for peer in cell["ratios"] if peer not in peers]
        picture.bars(
            self.options.plot, f"pullback's {key} beside others' (1: as much)",
            peers, [(cell, [found["ratios"].get(peer, {}).get(key)
                            for peer in peers])
                    for cell, found in self.cells.items()])
