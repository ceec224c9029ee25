# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pace files made and read by hand."""

import struct

MAGIC = 0x0145434150424C50
SIZE = 4096
FIXED, SLOTS, ARRIVED, DUE, COUNTED, SLOT = 8, 24, 64, 128, 136, 192
SLOT_SIZE = 64


def write_pace(path, fixed=0):
    """One that allows FIXED bytes per second; 0: all."""
    with open(path, "wb") as f:
        f.write(struct.pack("<QQ", MAGIC, fixed))
        f.truncate(SIZE)


def read_word(path, offset):
    with open(path, "rb") as f:
        f.seek(offset)
        return struct.unpack("<Q", f.read(8))[0]


def write_word(path, offset, value):
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write(struct.pack("<Q", value))


def slot_limits(path):
    """What the slots that are taken allow."""
    first = [SLOT + SLOT_SIZE * i for i in range(read_word(path, SLOTS))]
    return [read_word(path, at + 16) for at in first if read_word(path, at)]
