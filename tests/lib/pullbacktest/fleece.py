# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fleece stores and granule maps made, read and broken by hand."""

import os
import struct

GRANULE = 65536
HEADER = 4096
FORM = "<8sIIQIIi"


def write_map(path, size, granules=(), granule=GRANULE, state=0, reason=0):
    """A granule map file with GRANULES set."""
    words = ((size + granule - 1) // granule + 63) // 64
    with open(path, "wb") as f:
        f.write(struct.pack(FORM, b"PULLBKGM", 1, 0, size, granule, state,
                            reason))
        f.truncate(HEADER + words * 8)
        bits = {}
        for g in granules:
            bits[g // 64] = bits.get(g // 64, 0) | 1 << (g % 64)
        for word, value in bits.items():
            f.seek(HEADER + word * 8)
            f.write(struct.pack("<Q", value))


def read_map(path):
    """(granules that are set, state, reason)"""
    with open(path, "rb") as f:
        data = f.read()
    magic, version, features, _, _, state, reason = struct.unpack_from(FORM,
                                                                       data)
    assert magic == b"PULLBKGM" and version == 1 and features == 0
    granules = set()
    for w in range((len(data) - HEADER) // 8):
        value, = struct.unpack_from("<Q", data, HEADER + w * 8)
        granules |= {w * 64 + i for i in range(64) if value >> i & 1}
    return granules, state, reason


def write_store(folder, disk, size, present=None, maps=None):
    """An empty store, or one that holds PRESENT: {granule: bytes or None};
    None is a granule of zeros that takes no space."""
    present = present or {}
    with open(os.path.join(folder, disk + ".data"), "wb") as f:
        f.truncate(size)
        for g, data in present.items():
            if data is not None:
                f.seek(g * GRANULE)
                f.write(data)
    write_map(os.path.join(maps or folder, disk + ".present"), size, present)


def set_broken(folder, disk, reason=28):
    with open(os.path.join(folder, disk + ".present"), "r+b") as f:
        f.seek(28)
        f.write(struct.pack("<Ii", 1, reason))


def write_figures(maps, limit=0, account=None):
    """The figures that a sink counts in, with its limits."""
    with open(os.path.join(maps, "scratch-figures"), "wb") as f:
        f.write(struct.pack("<8sIIQQ", b"PULLBKSF", 1, 0, limit,
                            0 if account is None else account + 1))
        f.truncate(4096)


def read_figures(maps):
    """(bytes used, writes, which limit would have been exceeded)"""
    with open(os.path.join(maps, "scratch-figures"), "rb") as f:
        data = f.read()
    writes, used = struct.unpack_from("<QQ", data, 64)
    return used, writes, struct.unpack_from("<Q", data, 40)[0]


def write_ledger(folder, limit, names):
    """What all backups may store, with an account for each of NAMES."""
    with open(os.path.join(folder, ".scratch-ledger"), "wb") as f:
        f.write(struct.pack("<8sIIQQ", b"PULLBKSL", 1, 0, limit, len(names)))
        for i, name in enumerate(names):
            f.seek(4096 + i * 256 + 8)
            f.write(name.encode())
        f.truncate(4096 + 1024 * 256)
