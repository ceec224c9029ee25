# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-differ, disks for it with a model of their bytes, and servers of all
kinds."""

import json
import os

from .clients import run
from .nbdserver import NbdServer
from .outcome import Failed

BLOCK = 4096


# --- disks -------------------------------------------------------------------

def write_sparse(path, data):
    """The file has DATA; blocks that are zero are holes."""
    with open(path, "wb") as stream:
        stream.truncate(len(data))
        for offset in range(0, len(data), BLOCK):
            block = data[offset:offset + BLOCK]
            if any(block):
                stream.seek(offset)
                stream.write(block)


def random_disk(rng, size, places=40, longest=300000):
    data = bytearray(size)
    for _ in range(places if size else 0):
        offset = rng.randrange(size)
        length = min(size - offset, rng.randrange(1, longest))
        data[offset:offset + length] = rng.randbytes(length)
    return data


def changed(rng, disk, places=40, longest=(10, 5000, 300000)):
    """A copy of DISK with other bytes, or zeros, at random places."""
    data = bytearray(disk)
    for _ in range(places if data else 0):
        offset = rng.randrange(len(data))
        length = min(len(data) - offset, rng.randrange(1, rng.choice(longest)))
        data[offset:offset + length] = rng.choice([rng.randbytes(length),
                                                   bytes(length)])
    return data


def differing(one, other, block=BLOCK):
    """Bytes of the blocks in which they differ."""
    return sum(len(one[offset:offset + block])
               for offset in range(0, len(one), block)
               if one[offset:offset + block] != other[offset:offset + block])


# --- servers -------------------------------------------------------------------

def serve(t, name, *words):
    """An nbdkit: WORDS are its filters, plugin and parameters."""
    return NbdServer(t, ["nbdkit", "-f", "-U", t.path(name + ".sock"),
                         "--exit-with-parent", *words], t.path(name + ".sock"))


def serve_by_qemu(t, name, path, form, *words):
    return NbdServer(t, ["qemu-nbd", "-f", form, "-k", t.path(name + ".sock"),
                         "-t", "-x", "", "--discard=unmap",
                         "--detect-zeroes=off", *words, path],
                     t.path(name + ".sock"))


def requests(log):
    """[(kind, bytes)] in nbdkit's log."""
    found = []
    with open(log, encoding="utf-8") as stream:
        for line in stream:
            words = line.split()
            count = [word for word in words if word.startswith("count=")]
            # Date, time, connection, kind; what has been answered has no count.
            if count and words[-1] == "...":
                found.append((words[3], int(count[0][6:], 16)))
    return found


# --- the program ------------------------------------------------------------------

class Differ:
    """What one run of pullback-differ said and counted; failed or not."""

    def __init__(self, source, target, *options, timeout=120):
        self.done = run("pullback-differ", "--progress=json", *options, source,
                        target, timeout=timeout, check=False)
        self.lines = [json.loads(line)
                      for line in self.done.stdout.splitlines()]
        self.said = self.done.stderr
        self.status = self.done.returncode

    @property
    def counts(self):
        return self.lines[-1]


def make_equal(source, target, *options, timeout=120):
    """Counts, of a run that must not fail."""
    differ = Differ(source, target, *options, timeout=timeout)
    if differ.status != 0 or differ.counts["state"] != "equal":
        raise Failed(f"pullback-differ: {differ.status}: {differ.said}")
    counts = differ.counts
    if counts["done"] != counts["total"] or \
            counts["equal"] + counts["differing"] != counts["total"]:
        raise Failed(f"the counts make no sense: {counts}")
    return counts


def refused(source, target, *options, state=None, status=1):
    """The one sentence of a run that must fail."""
    differ = Differ(source, target, *options)
    if differ.status != status:
        raise Failed(f"want status {status}, got {differ.status}: {differ.said}")
    if state is not None and differ.counts["state"] != state:
        raise Failed(f"want {state}, got {differ.counts}")
    lines = differ.said.splitlines()
    if len(lines) != 1:
        raise Failed(f"want one sentence: {lines}")
    return lines[0]


def same_bytes(path, data, what):
    """The file has DATA."""
    with open(path, "rb") as stream:
        there = stream.read()
    if there == bytes(data):
        return
    size = os.path.getsize(path)
    wrong = [offset for offset in range(0, max(size, len(data)), BLOCK)
             if there[offset:offset + BLOCK] != data[offset:offset + BLOCK]]
    raise Failed(f"{what}: {size} bytes, want {len(data)}; wrong blocks at "
                 f"{[hex(offset) for offset in wrong[:8]]}")
