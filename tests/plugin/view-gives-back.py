#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Trims at random beside reads, a sink that keeps old data and a guest that
writes: a read has the frozen bytes, or an error where a trim was asked for, and
always where one was answered; no hole is made up; the scratch falls, to nothing
at the end; killed view and sink forget nothing."""

import errno
import os
import threading

from pullbacktest import extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import (GRANULE, read_figures, read_map, write_figures,
                                 write_map, write_store)
from pullbacktest.nbdserver import nbdkit

G = GRANULE
GRANULES = 512
SIZE = GRANULES * G
ROUNDS = 4


def old(g):
    return bytes([1 + g % 250]) * G


class Backup:
    def __init__(self, t):
        self.t = t
        self.folder = t.folder_below("/var/tmp")
        self.maps = t.path("maps")
        os.mkdir(self.maps)
        self.image = os.path.join(self.folder, "image")
        with open(self.image, "wb") as f:
            for g in range(GRANULES):
                f.write(old(g))
        write_store(self.folder, "vda", SIZE, maps=self.maps)
        for kind in "consumed", "counted":
            write_map(f"{self.maps}/vda.{kind}", SIZE)
        # The last quarter is clean.
        write_map(f"{self.maps}/vda@dirty.dirty", SIZE,
                  range(GRANULES * 3 // 4))
        write_figures(self.maps)
        self.asked, self.answered = set(), set()
        self.errors = []
        self.count = 0
        self.start()

    def start(self):
        common = ["fleece=" + self.folder, "maps=" + self.maps, "consume=yes",
                  "disk=vda"]
        self.count += 1
        self.sink = nbdkit(self.t, f"{self.folder}/sink{self.count}",
                           "role=sink", *common)
        self.view = nbdkit(self.t, f"{self.folder}/view{self.count}",
                           "role=view", *common, "direct=" + self.image,
                           "bitmap=dirty")

    def blocks(self):
        """Some of them may be the file system's own."""
        return os.stat(f"{self.folder}/vda.data").st_blocks * 512

    def used(self):
        return read_figures(self.maps)[0]

    def map(self, kind):
        return read_map(f"{self.maps}/vda.{kind}")[0]

    # --- what goes on at once ---

    def guest(self, granules):
        """Writes over GRANULES, when the sink has answered for them."""
        sink = self.sink.connect("vda")
        with open(self.image, "r+b", buffering=0) as f:
            for g in granules:
                sink.pwrite(old(g), g * G)
                os.pwrite(f.fileno(), b"\xff" * G, g * G)

    def trims(self, ranges):
        view = self.view.connect("vda")
        for first, n in ranges:
            self.asked |= set(range(first, first + n))
            view.trim(n * G, first * G)
            self.answered |= set(range(first, first + n))

    def reads(self, ranges):
        import nbd
        view = self.view.connect("vda")
        for first, n in ranges:
            gone = self.answered & set(range(first, first + n))
            try:
                data = view.pread(n * G, first * G)
            except nbd.Error as error:
                assert error.errnum == errno.EPERM, error
                assert self.asked & set(range(first, first + n)), \
                    f"granules {first}, {n} were not given back"
            else:
                assert not gone, f"{gone} could be read again"
                assert data == b"".join(old(g) for g in
                                        range(first, first + n)), \
                    f"wrong data in granules {first}, {n}"

    def maps_of_holes(self, times):
        view = self.view.connect("vda", "base:allocation")
        for _ in range(times):
            assert extents(view) == [(0, SIZE, 0)], "a hole is made up"

    def race(self, rng, writes):
        def ranges(count, most):
            firsts = (rng.randrange(GRANULES) for _ in range(count))
            return [(first, min(rng.randint(1, most), GRANULES - first))
                    for first in firsts]
        jobs = [lambda: self.guest(writes[0::2]),
                lambda: self.guest(writes[1::2]),
                lambda trims=ranges(40, 3): self.trims(trims),
                lambda trims=ranges(40, 3): self.trims(trims),
                lambda reads=ranges(300, 8): self.reads(reads),
                lambda reads=ranges(300, 2): self.reads(reads),
                lambda: self.maps_of_holes(30)]

        def caught(job):
            try:
                job()
            except BaseException as error:
                self.errors.append(error)
        threads = [threading.Thread(target=caught, args=(job,))
                   for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.t.check(not self.errors, f"{self.errors}")


def settled(t, backup):
    """What is so when nothing goes on."""
    consumed = backup.map("consumed")
    t.check(consumed == backup.answered, "the map is not what was given back")
    view = backup.view.connect("vda")
    for g in range(GRANULES):
        if g in consumed:
            fails(errno.EPERM, lambda at=g: view.pread(512, at * G + 17))
        else:
            t.check(view.pread(G, g * G) == old(g), f"granule {g} is wrong")
    t.check(backup.used() == len(backup.map("counted")) * G,
            f"{backup.used()} bytes count")
    stored = backup.map("present") - consumed
    t.check(backup.used() >= len(stored) * G, "too little counts")


def refusals(t, backup):
    view = backup.view.connect("vda")
    fails(errno.EPERM, lambda: view.pwrite(b"x" * 512, 0))
    fails(errno.EPERM, lambda: view.zero(G, 0))
    t.check(view.can_trim(), "it cannot be trimmed")
    plain = nbdkit(t, backup.folder + "/plain", "role=view",
                   "fleece=" + backup.folder, "maps=" + backup.maps,
                   "disk=vda", "direct=" + backup.image)
    t.check(plain.connect("vda").is_read_only(), "a view without consume=yes")
    plain.end()


def test(t):
    backup = Backup(t)
    refusals(t, backup)
    order = t.random.sample(range(GRANULES), GRANULES)
    for i in range(ROUNDS):
        part = GRANULES // ROUNDS
        backup.race(t.random, order[i * part:(i + 1) * part])
        settled(t, backup)
        if i % 2 == 0:
            backup.sink.kill()
            backup.view.kill()
            backup.start()
    t.say(f"{len(backup.answered)} granules given back, {backup.used() // G} "
          f"count, the store has {backup.blocks() // G}")
    # By way of another export of the disk, and what the sink kept meanwhile.
    dirty = backup.view.connect("vda@dirty", "base:allocation")
    backup.answered = set(range(GRANULES))
    dirty.trim(SIZE, 0)
    settled(t, backup)
    t.check(backup.used() == 0 and backup.blocks() < G,
            f"{backup.used()} count, {backup.blocks()} bytes are taken")
    # What changed is still true, and what is data is not made zeros.
    t.check(extents(dirty) == [(0, SIZE * 3 // 4, 0),
                               (SIZE * 3 // 4, SIZE // 4, 3)], "dirty map")
    backup.maps_of_holes(1)
    backup.guest(range(GRANULES))
    t.check(backup.used() == 0 and backup.blocks() < G, "it is kept again")
    backup.view.end()
    backup.sink.end()


main(test)
