#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Rules D2 to D4: while QEMU writes, zeroes and discards in an image, the view
goes on finding what was not written, by tables old and new, also in images with
snapshots, and in such as are inconsistent. Without a relay, so that nothing is left
to QEMU, but where large clusters may be copied. SECONDS=600 goes on for so long;
OPTIONS STATE: only that. Wrong bytes are told whose they are, how they were read, and
what QEMU and the image have there."""

import contextlib
import mmap
import os
import random
import subprocess
import sys
import threading
import time

from pullbacktest import Failed, extents, main, run
from pullbacktest.chains import is_large, tangle, unmark
from pullbacktest.clients import open_nbd
from pullbacktest.fleece import HEADER, write_store
from pullbacktest.nbdserver import NbdServer, nbdkit
from pullbacktest.stamps import ORIGINAL, differences, entry, stamped
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

    def among(self, at, length):
        return [g for g in range(at // G, (at + length - 1) // G + 1)
                if self.map[HEADER + g // 8] >> g % 8 & 1]


class Zones:
    """What is being discarded or zeroed is not written to meanwhile, nor is the cluster
    around it: QEMU gives the place of such a write to others before it is over."""

    def __init__(self):
        self.users = [0] * ZONES        # how many write to each; -1: one discards
        self.free = threading.Condition()

    @contextlib.contextmanager
    def use(self, zone, alone):
        with self.free:
            self.free.wait_for(lambda: self.users[zone] == 0
                               or self.users[zone] > 0 and not alone)
            self.users[zone] += -1 if alone else 1
        try:
            yield
        finally:
            with self.free:
                self.users[zone] -= -1 if alone else 1
                self.free.notify_all()


class Request:
    """What one of the guests asks for; its number is where it stands in all."""

    all = []
    lock = threading.Lock()

    def __init__(self, what, at, n):
        self.what, self.at, self.n = what, at, n
        self.begin, self.end = time.monotonic(), None
        with Request.lock:
            self.number = len(Request.all) + 1
            Request.all.append(self)

    def touches(self, at, n):
        return self.at < at + n and at < self.at + self.n

    def __str__(self):
        end = f"{self.end:.6f}" if self.end else "-"
        return (f"request {self.number}: {self.what} {self.at // 512}+"
                f"{self.n // 512} from {self.begin:.6f} to {end}")


class Guest(threading.Thread):
    def __init__(self, uri, seed, present, zones):
        super().__init__()
        self.nbd, self.rnd = open_nbd(uri), random.Random(seed)
        self.present, self.zones = present, zones
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
        what = self.rnd.choices(("write", "zero", "trim", "flush"),
                                (60, 20, 15, 5))[0]
        n = min(n, MIB) if what == "write" else n
        with self.zones.use(at // ZONE, what in ("zero", "trim")):
            request = Request(what, at, n)
            if what == "write":
                self.nbd.pwrite(stamped(request.number, at, n), at)
            elif what == "zero":
                self.nbd.zero(n, at)
            elif what == "trim":
                self.nbd.trim(n, at)
            else:
                self.nbd.flush()
            request.end = time.monotonic()

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
                f.write(stamped(ORIGINAL, granule * G, G))
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


class Wrong(Exception):
    """Of the granule AT the view gave GOT, in a read of the granules from START on."""

    def __init__(self, at, got, start, count, begin):
        super().__init__(f"wrong bytes in granule {at}")
        self.at, self.got, self.begin = at, got, begin
        self.read = f"read of granules {start} to {start + count - 1}"


def read(rnd, view, frozen):
    at = rnd.randrange(SIZE // G)
    count = min(rnd.randrange(1, 32), SIZE // G - at)
    begin = time.monotonic()
    got = view.pread(count * G, at * G)
    for i in range(count):
        if is_frozen(at + i):
            mine = slice((at + i) * G, (at + i + 1) * G)
            mine_got = got[i * G:(i + 1) * G]
            if mine_got != frozen[mine]:
                raise Wrong(at + i, mine_got, at, count, begin)


def look_for_holes(view, frozen):
    for at, n, flags in extents(view):
        for granule in range(at // G, (at + n - 1) // G + 1):
            start = max(at, granule * G)
            end = min(at + n, granule * G + G)
            if flags and is_frozen(granule):
                assert not any(frozen[start:end]), f"no hole at {start}"


class Scene:
    """One image with its guests and view."""

    def __init__(self, t, options, state):
        self.t, self.state = t, state
        self.direct = t.random.random() < 0.3
        self.path, self.frozen = make(t, options, state)
        self.name = f"{options} {state}{' O_DIRECT' * self.direct}"
        self.before = {at: entry(self.path, at) for at in range(0, SIZE, G)}
        disk = Disk("vda", "qcow2", SIZE, direct=self.direct, path=self.path,
                    device=False)
        self.vm = VM(t, [disk], boot=False)
        self.socket = t.path("live.nbd")
        self.uri = self.vm.serve(disk, self.socket)
        self.folder = t.folder_below("/var/tmp")
        write_store(self.folder, "vda", SIZE)
        self.present = Present(self.folder)
        self.parameters = ["chain-path=qcow2:" + self.path,
                           "direct-io=" + ("yes" if self.direct else "no")]
        self.relay = state != "plain" and is_large(self.path)
        self.relayed = t.path("relayed.log")
        Request.all.clear()
        zones = Zones()
        self.guests = [Guest(self.uri, t.random.random(), self.present, zones)
                       for _ in range(3)]
        for guest in self.guests:
            guest.start()

    def serve(self):
        """A view that knows nothing of the tables yet, and what it asks of QEMU."""
        words = list(self.parameters)
        hop = None
        if self.relay:
            socket = self.t.path("relay.nbd")
            hop = NbdServer(self.t, [
                "nbdkit", "-f", "-U", socket, "--filter=log", "nbd",
                "uri=" + self.uri, "logfile=" + self.relayed,
                "logappend=true"], socket)
            words.append("relay=" + hop.uri("live"))
        server = nbdkit(self.t, self.t.path("view.nbd"), "role=view",
                        "fleece=" + self.folder, "disk=vda", *words)
        return server, hop

    def pull(self, end):
        server, hop = self.serve()
        view = server.connect("vda", "base:allocation")
        try:
            while time.monotonic() < end:
                read(self.t.random, view, self.frozen)
                if self.t.random.random() < 0.02:
                    look_for_holes(view, self.frozen)
            look_for_holes(view, self.frozen)
        except Wrong as wrong:
            self.tell(wrong, view)
            raise Failed(f"{self.name}: {wrong}") from None
        assert "is not what its image has" not in server.said(), server.said()
        for one in (server, hop):
            if one:
                one.end()
                os.unlink(one.socket)

    def compare(self, who, got, at):
        lines, numbers = differences(self.frozen[at:at + len(got)], got, at)
        self.t.say(f"{who}: " + ("; ".join(lines) or "right"))
        return numbers

    def tell(self, wrong, view):
        """All that can be known of it."""
        t, at = self.t, wrong.at * G
        t.say(f"{self.name}: {wrong}, in a {wrong.read}, {wrong.begin:.6f} to "
              f"{time.monotonic():.6f}")
        numbers = self.compare("the view", wrong.got, at)
        self.compare("the view, again", view.pread(G, at), at)
        live = open_nbd(self.uri)
        self.compare("QEMU", live.pread(G, at), at)
        around = at // ZONE * ZONE
        t.say(f"written of the {ZONE >> 20} MiB around: "
              f"{self.present.among(around, ZONE)}")
        t.say(f"its entry was {self.before[at]}, is {entry(self.path, at)}")
        self.end_guests()
        self.compare("QEMU, at rest", live.pread(G, at), at)
        live.shutdown()
        self.vm.quit()
        t.say(f"its entry at last: {entry(self.path, at)}")
        raw = t.path("last.raw")
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.path, raw)
        with open(raw, "rb") as stream:
            self.compare("the image", os.pread(stream.fileno(), G, at), at)
        t.say("its check: " + subprocess.run(
            ["qemu-img", "check", self.path], capture_output=True, check=False,
            text=True).stdout)
        for number in numbers:
            own = Request.all[number - 1]
            for one in Request.all:
                if one.touches(own.at, own.n) and \
                   one.end > own.begin - 1 and one.begin < own.end + 1:
                    t.say(f"of the wrong bytes: {one}")
        for one in Request.all:
            if one.touches(around, ZONE) and one.end > wrong.begin - 2:
                t.say(f"around it: {one}")
        if self.relay:
            with open(self.relayed) as stream:
                asked = [line for line in stream if "Read" in line]
            t.say("the last reads through QEMU: " + "".join(asked[-60:]))

    def end_guests(self):
        for guest in self.guests:
            guest.end()

    def end(self):
        self.end_guests()
        self.t.say(f"{self.name}: "
                   f"{sum(guest.count for guest in self.guests)} writes")
        self.vm.end()
        os.unlink(self.path)
        os.unlink(self.socket)


def live(t, options, state, seconds):
    scene = Scene(t, options, state)
    start = time.monotonic()
    for part in (1, 2):
        scene.pull(start + seconds * part / 2)
    scene.end()


def test(t):
    seconds = float(os.environ.get("SECONDS", "6"))
    if sys.argv[1:]:
        return live(t, sys.argv[1], sys.argv[2], seconds)
    count = 3 if seconds < 60 else len(FORMS)
    for options in t.random.sample(FORMS, count):
        live(t, options, t.random.choice(STATES), seconds / count)
    return None


main(test)
