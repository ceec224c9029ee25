#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Rules D2 to D4: while QEMU writes, zeroes and discards in an image, the view
goes on finding what was not written, by tables old and new, also in images with
snapshots, and in such as are inconsistent. Without a relay, so that nothing is left
to QEMU, but where large clusters may be copied. SECONDS=600 goes on for so long;
OPTIONS STATE: only that."""

import mmap
import os
import random
import sys
import threading
import time

from pullbacktest import extents, main, run
from pullbacktest.chains import is_large, tangle, unmark
from pullbacktest.clients import open_nbd
from pullbacktest.fleece import HEADER, write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.vm import VM, Disk

MIB = 1 << 20
G = 65536
ZONE = 2 * MIB                  # the largest cluster
ZONES = 24
SIZE = ZONE * ZONES
FORMS = ("cluster_size=64k", "cluster_size=4k", "cluster_size=1k", "cluster_size=2M",
         "cluster_size=1M", "cluster_size=512", "cluster_size=128k,extended_l2=on",
         "cluster_size=2M,extended_l2=on", "cluster_size=2M,compat=0.10",
         "cluster_size=512k,lazy_refcounts=on")
STATES = ("plain", "snapshots", "unmarked")


def is_frozen(granule):
    """Every third zone is the guest's, of the others every second granule."""
    return granule * G // ZONE % 3 != 0 and granule % 2 == 0


def some_write(rnd):
    """What the guest may touch: (offset, length)."""
    if rnd.random() < 0.3:
        at = rnd.randrange(0, ZONES, 3) * ZONE
        if rnd.random() < 0.3:
            return at, ZONE
        n = rnd.randrange(1, ZONE // 512) * 512
        return at + rnd.randrange((ZONE - n) // 512 + 1) * 512, n
    at = rnd.randrange(SIZE // G // 2) * 2 * G + G
    n = rnd.randrange(1, G // 512 + 1) * 512
    return at + rnd.randrange((G - n) // 512 + 1) * 512, n


class Present:
    """The granules that the sink would have stored."""

    def __init__(self, folder):
        with open(os.path.join(folder, "vda.present"), "r+b") as stream:
            self.map = mmap.mmap(stream.fileno(), 0)
        self.lock = threading.Lock()

    def set(self, at, length):
        with self.lock:
            for g in range(at // G, (at + length - 1) // G + 1):
                self.map[HEADER + g // 8] |= 1 << g % 8


class Guest(threading.Thread):
    def __init__(self, uri, seed, present):
        super().__init__()
        self.nbd, self.rnd = open_nbd(uri), random.Random(seed)
        self.present = present
        self.stops, self.error, self.count = False, None, 0

    def run(self):
        try:
            while not self.stops:
                self.write()
                self.count += 1
        except Exception as error:              # shown by the test
            self.error = error

    def write(self):
        at, n = some_write(self.rnd)
        self.present.set(at, n)
        what = self.rnd.random()
        if what < 0.6:
            self.nbd.pwrite(self.rnd.randbytes(min(n, 1 << 20)), at)
        elif what < 0.8:
            self.nbd.zero(n, at)
        elif what < 0.95:
            self.nbd.trim(n, at)
        else:
            self.nbd.flush()

    def end(self):
        self.stops = True
        self.join()
        self.nbd.shutdown()
        if self.error:
            raise self.error


def make(t, options, state):
    """An image and what is in it; half of it is not allocated."""
    rnd, path = t.random, t.path("live.qcow2")
    raw = path + ".raw"
    with open(raw, "wb") as f:
        for granule in range(SIZE // G):
            if rnd.random() < 0.5:
                f.seek(granule * G)
                f.write(rnd.randbytes(G))
        f.truncate(SIZE)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, raw,
        path)
    if state == "snapshots":
        tangle(t, path, SIZE)
    elif state == "unmarked":
        unmark(path)
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, raw)
    with open(raw, "rb") as f:
        data = f.read()
    os.unlink(raw)
    return path, data


def read(rnd, view, frozen):
    at = rnd.randrange(SIZE // G)
    count = min(rnd.randrange(1, 32), SIZE // G - at)
    got = view.pread(count * G, at * G)
    for i in range(count):
        if is_frozen(at + i):
            mine = slice((at + i) * G, (at + i + 1) * G)
            assert got[i * G:(i + 1) * G] == frozen[mine], \
                f"wrong bytes in granule {at + i}"


def look_for_holes(view, frozen):
    for at, n, flags in extents(view):
        for granule in range(at // G, (at + n - 1) // G + 1):
            start = max(at, granule * G)
            end = min(at + n, granule * G + G)
            if flags and is_frozen(granule):
                assert not any(frozen[start:end]), f"no hole at {start}"


def pull(t, folder, parameters, frozen, end):
    """A view that knows nothing of the tables yet."""
    socket = t.path("view.nbd")
    server = nbdkit(t, socket, "role=view",
                    "fleece=" + folder, "disk=vda", *parameters)
    view = server.connect("vda", "base:allocation")
    while time.monotonic() < end:
        read(t.random, view, frozen)
        if t.random.random() < 0.02:
            look_for_holes(view, frozen)
    look_for_holes(view, frozen)
    assert "is not what its image has" not in server.said(), server.said()
    server.end()
    os.unlink(socket)


def start_vm(t, path, direct):
    """And the export by which the guest writes, and its socket."""
    disk = Disk("vda", "qcow2", SIZE, direct=direct, path=path, device=False)
    vm = VM(t, [disk], boot=False)
    socket = t.path("live.nbd")
    return vm, vm.serve(disk, socket), socket


def live(t, options, state, seconds):
    direct = t.random.random() < 0.3
    path, frozen = make(t, options, state)
    vm, uri, socket = start_vm(t, path, direct)
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    relay = state != "plain" and is_large(path)
    parameters = ["chain-path=qcow2:" + path,
                  "direct-io=" + ("yes" if direct else "no"),
                  *["relay=" + uri][:relay]]
    present = Present(folder)
    guests = [Guest(uri, t.random.random(), present) for _ in range(3)]
    for guest in guests:
        guest.start()
    start = time.monotonic()
    for part in (1, 2):
        pull(t, folder, parameters, frozen, start + seconds * part / 2)
    for guest in guests:
        guest.end()
    t.say(f"{options} {state}{' O_DIRECT' * direct}: "
          f"{sum(guest.count for guest in guests)} writes")
    vm.end()
    os.unlink(path)
    os.unlink(socket)


def test(t):
    seconds = float(os.environ.get("SECONDS", "6"))
    if sys.argv[1:]:
        return live(t, sys.argv[1], sys.argv[2], seconds)
    count = 3 if seconds < 60 else len(FORMS)
    for options in t.random.sample(FORMS, count):
        live(t, options, t.random.choice(STATES), seconds / count)
    return None


main(test)
