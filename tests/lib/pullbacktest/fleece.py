# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fleece stores and granule maps made, read and broken by hand."""

import os
import struct

GRANULE = 65536
HEADER = 4096
FORM = "<8sIIQIIi"
APPENDED = 1                    # a feature: there is a slot table
TABLE_FORM = "<8sIIQIIQ"
ZEROS = 0xffffffff              # instead of one more than the slot


def write_map(path, size, granules=(), granule=GRANULE, state=0, reason=0,
              features=0):
    """A granule map file with GRANULES set."""
    words = ((size + granule - 1) // granule + 63) // 64
    with open(path, "wb") as f:
        f.write(struct.pack(FORM, b"PULLBKGM", 1, features, size, granule,
                            state, reason))
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
    assert magic == b"PULLBKGM" and version == 1 and features in (0, APPENDED)
    granules = set()
    for w in range((len(data) - HEADER) // 8):
        value, = struct.unpack_from("<Q", data, HEADER + w * 8)
        granules |= {w * 64 + i for i in range(64) if value >> i & 1}
    return granules, state, reason


def write_slots(path, size, slots=None, taken=None):
    """A slot table: SLOTS is {granule: slot, or None for zeros}, of which so many
    were TAKEN."""
    slots = slots or {}
    used = [slot for slot in slots.values() if slot is not None]
    with open(path, "wb") as f:
        f.write(struct.pack(TABLE_FORM, b"PULLBKST", 1, 0, size, GRANULE, 0,
                            len(used) if taken is None else taken))
        f.truncate(HEADER + (size + GRANULE - 1) // GRANULE * 4)
        for g, slot in slots.items():
            f.seek(HEADER + 4 * g)
            f.write(struct.pack("<I", ZEROS if slot is None else slot + 1))


def read_slots(path):
    """({granule: slot, or None for zeros}, slots taken)"""
    with open(path, "rb") as f:
        data = f.read()
    magic, version, features, _, granule, _, taken = struct.unpack_from(
        TABLE_FORM, data)
    assert magic == b"PULLBKST" and (version, features, granule) == \
        (1, 0, GRANULE)
    words = struct.unpack_from(f"<{(len(data) - HEADER) // 4}I", data, HEADER)
    return {g: None if word == ZEROS else word - 1
            for g, word in enumerate(words) if word}, taken


def write_store(folder, disk, size, present=None, maps=None):
    """An empty store, or one that holds PRESENT: {granule: bytes or None};
    None is a granule of zeros that takes no space.  The last comes first, so that
    no two neighbours lie together."""
    present, maps = present or {}, maps or folder
    stored = sorted((g for g in present if present[g] is not None),
                    reverse=True)
    with open(os.path.join(folder, disk + ".data"), "wb") as f:
        f.truncate(size)
        for slot, g in enumerate(stored):
            f.seek(slot * GRANULE)
            f.write(present[g])
    slots = {g: None for g in present} | {g: s for s, g in enumerate(stored)}
    write_slots(os.path.join(maps, disk + ".slots"), size, slots)
    write_map(os.path.join(maps, disk + ".present"), size, present,
              features=APPENDED)


def read_store(folder, disk, maps=None):
    """{granule: its old data, b"" for zeros} of what is present."""
    maps = maps or folder
    slots, taken = read_slots(os.path.join(maps, disk + ".slots"))
    found = {}
    with open(os.path.join(folder, disk + ".data"), "rb") as f:
        for g in read_map(os.path.join(maps, disk + ".present"))[0]:
            found[g] = b""
            if slots[g] is not None:
                assert slots[g] < taken, f"slot {slots[g]} was not taken"
                f.seek(slots[g] * GRANULE)
                found[g] = f.read(GRANULE)
    return found


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
