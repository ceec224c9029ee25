#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Rules D2 to D4: while QEMU writes, zeroes and discards in an image, the view
goes on finding what was not written, by tables old and new. Without a relay,
so that nothing is left to QEMU, but where there is a snapshot. SECONDS=600 goes on for so long."""

import os
import random
import threading
import time

from pullbacktest import extents, main, run
from pullbacktest.clients import open_nbd
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.vm import VM, Disk

MIB = 1 << 20
G = 65536
ZONE = 2 * MIB                  # the largest cluster
ZONES = 24
SIZE = ZONE * ZONES
FORMS = ("cluster_size=64k", "cluster_size=4k", "cluster_size=2M",
         "cluster_size=1M", "cluster_size=512", "cluster_size=128k,extended_l2=on",
         "cluster_size=2M,extended_l2=on", "cluster_size=2M,compat=0.10",
         "cluster_size=512k,lazy_refcounts=on")


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


class Guest(threading.Thread):
    def __init__(self, uri, seed):
        super().__init__()
        self.nbd, self.rnd = open_nbd(uri), random.Random(seed)
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


def make(t, options):
    """An image and what is in it; half of it is not allocated."""
    rnd, path = t.random, t.path("live.qcow2")
    data = bytearray(SIZE)
    for granule in range(SIZE // G):
        if rnd.random() < 0.5:
            data[granule * G:(granule + 1) * G] = rnd.randbytes(G)
    raw = path + ".raw"
    with open(raw, "wb") as f:
        f.write(data)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-o", options, raw,
        path)
    snapshot = rnd.random() < 0.5
    if snapshot:
        run("qemu-img", "snapshot", "-c", "old", path)
    os.unlink(raw)
    return path, bytes(data), snapshot


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
    look_for_holes(view, frozen)
    while time.monotonic() < end:
        read(t.random, view, frozen)
        if t.random.random() < 0.02:
            look_for_holes(view, frozen)
    server.end()
    os.unlink(socket)


def live(t, options, seconds):
    direct = t.random.random() < 0.3
    path, frozen, snapshot = make(t, options)
    disk = Disk("vda", "qcow2", SIZE, direct=direct, path=path, device=False)
    vm = VM(t, [disk], boot=False)
    socket = t.path("live.nbd")
    vm.qmp("nbd-server-start", {"addr": {"type": "unix",
                                         "data": {"path": socket}}})
    vm.qmp("block-export-add", {"type": "nbd", "id": "e", "writable": True,
                                "node-name": disk.node, "name": "live"})
    uri = f"nbd+unix:///live?socket={socket}"
    folder = t.folder_below("/var/tmp")
    write_store(folder, "vda", SIZE)
    parameters = ["chain-path=qcow2:" + path,
                  "direct-io=" + ("yes" if direct else "no"),
                  *["relay=" + uri][:snapshot]]
    guests = [Guest(uri, t.random.random()) for _ in range(3)]
    for guest in guests:
        guest.start()
    start = time.monotonic()
    for part in (1, 2):
        pull(t, folder, parameters, frozen, start + seconds * part / 2)
    for guest in guests:
        guest.end()
    t.say(f"{options}{' O_DIRECT' * direct}"
          f"{' snapshot' * snapshot}: "
          f"{sum(guest.count for guest in guests)} writes")
    vm.end()
    os.unlink(path)
    os.unlink(socket)


def test(t):
    seconds = float(os.environ.get("SECONDS", "6"))
    count = 3 if seconds < 60 else len(FORMS)
    for options in t.random.sample(FORMS, count):
        live(t, options, seconds / count)


main(test)
