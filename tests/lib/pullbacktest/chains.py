# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of qcow2 images of every layout that the view maps itself."""

import os
import struct

from .clients import run
from .outcome import Failed, wait_until
from .vm import Disk

# NAME: options of qemu-img create, and how many images are below.
LAYOUTS = {
    "small": (("cluster_size=4k",), 0),
    "usual": ((), 0),
    "large": (("cluster_size=2M",), 0),
    "sub": (("extended_l2=on", "cluster_size=128k"), 0),
    "lazy": (("lazy_refcounts=on",), 0),
    "old": (("compat=0.10",), 0),
    "data": (("data_file=@",), 0),
    "rawdata": (("data_file=@", "data_file_raw=on"), 0),
    "over": ((), 2),
    "largeover": (("cluster_size=1M",), 2),
}

COPIED = 1 << 63
OFFSET = 0x00fffffffffffe00


def _create(path, size, *words):
    run("qemu-img", "create", "-q", "-f", "qcow2", *words, path, size)


def _backing(t, name, size, depth):
    """A raw image, shorter than the disk, and over it DEPTH - 1 qcow2 images:
    all have random bytes in places."""
    path = t.path(f"{name}-0.raw")
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(size // 4))
        stream.truncate(size // 2 + 512)
    below, form = path, "raw"
    for level in range(1, depth):
        path = t.path(f"{name}-{level}.qcow2")
        _create(path, size, "-F", form, "-b", below)
        scribble(t, path, size)
        below, form = path, "qcow2"
    return below, form


def scribble(t, path, size):
    """Some data, zeros and holes."""
    words = []
    for _ in range(40):
        length = t.random.randrange(1, 256) * 512
        offset = t.random.randrange((size - length) // 512) * 512
        what = t.random.choice(["-P 17", "-P 171", "-z", "-z -u"])
        words += ["-c", f"write {what} {offset} {length}"]
    run("qemu-io", "-f", "qcow2", *words, path)


def chain(t, layout, size, name=None, **more):
    """A Disk called NAME of that layout with something in it."""
    name = name or layout
    options, depth = LAYOUTS[layout]
    path = t.path(f"{name}.qcow2")
    words = []
    for option in options:
        words += ["-o", option.replace("@", t.path(f"{name}.data"))]
    if depth:
        below, form = _backing(t, name, size, depth)
        words += ["-F", form, "-b", below]
    if not os.path.exists(path):
        _create(path, size, *words)
        scribble(t, path, size)
    return Disk(name, "qcow2", size, path=path, **more)


def tangle(t, path, size):
    """Makes, loads and deletes snapshots inside an image, and writes in between;
    at the end it has one at least."""
    rnd, names = t.random, []
    for number in range(rnd.randrange(3, 8)):
        what = rnd.choice("ccad") if names else "c"
        name = f"s{number}" if what == "c" else rnd.choice(names)
        run("qemu-img", "snapshot", "-" + what, name, path)
        if what == "c":
            names.append(name)
        elif what == "d":
            names.remove(name)
        if rnd.random() < 0.7:
            scribble(t, path, size)
    if not names:
        run("qemu-img", "snapshot", "-c", "last", path)


def _header(stream):
    """(bytes of a cluster, of an L2 entry, L1 entries, offset of L1)"""
    head = stream.read(104)
    version, = struct.unpack_from(">I", head, 4)
    features, = struct.unpack_from(">Q", head, 72) if version > 2 else (0,)
    bits, = struct.unpack_from(">I", head, 20)
    l1_size, l1 = struct.unpack_from(">IQ", head, 36)
    return 1 << bits, 16 if features & 16 else 8, l1_size, l1


def is_large(path):
    """Are its clusters larger than a granule?"""
    with open(path, "rb") as stream:
        return _header(stream)[0] > 65536


def _unmark(stream, offset, length, step):
    """The table's entries, of STEP bytes each, lose bit 63; returns where they lead."""
    stream.seek(offset)
    table = bytearray(stream.read(length))
    found = []
    for at in range(0, len(table), step):
        entry, = struct.unpack_from(">Q", table, at)
        struct.pack_into(">Q", table, at, entry & ~COPIED)
        found += [entry & OFFSET] if entry & OFFSET else []
    stream.seek(offset)
    stream.write(table)
    return found


def unmark(path):
    """Of an image without snapshots, makes an inconsistent one, as a QEMU leaves it that
    was killed while it deleted the last one: it frees what it copies."""
    with open(path, "r+b") as stream:
        cluster, step, l1_size, l1 = _header(stream)
        for l2 in _unmark(stream, l1, l1_size * 8, 8):
            _unmark(stream, l2, cluster, step)


def create_encrypted(path, size):
    """A qcow2 image whose key is that of the object secret,id=s,data=x.  On a busy
    machine QEMU finds now and then that it cannot measure how long a key takes it."""
    def created():
        try:
            _create(path, size, "--object", "secret,id=s,data=x", "-o",
                    "encrypt.format=luks,encrypt.key-secret=s,"
                    "encrypt.iter-time=10")
        except Failed as failed:
            if "CPU usage" not in str(failed):
                raise
            return False
        return True
    wait_until(created, 60, f"{path}: no encrypted image")
    return path
