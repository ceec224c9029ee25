# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bytes that tell whose they are, so that wrong ones can be traced: each sector
begins with who wrote it, in which request, and for which sector of the disk."""

import os
import random
import struct

SECTOR = 512
HEAD = struct.Struct(">8sQQ")
MARK = b"PULLBKST"
ORIGINAL = 0                    # the number of what was there before any request


def stamped(number, at, length):
    """What request NUMBER writes to the LENGTH bytes of the disk from AT on; both
    whole sectors."""
    filling = random.Random(number).randbytes(SECTOR - HEAD.size)
    return b"".join(HEAD.pack(MARK, number, sector) + filling
                    for sector in range(at // SECTOR, (at + length) // SECTOR))


def _owner(sector):
    """(number, sector) of a stamp, or a word."""
    if not any(sector):
        return "zeros"
    mark, number, place = HEAD.unpack_from(sector)
    if mark == MARK:
        return number, place
    if sector == sector[:1] * SECTOR:
        return f"bytes of {sector[0]}"
    return "what nobody wrote"


def _goes_on(one, other):
    """Is OTHER the next sector of the same?"""
    return (other == one if isinstance(one, str) or isinstance(other, str)
            else other == (one[0], one[1] + 1))


def _name(owner):
    if isinstance(owner, str):
        return owner
    number, sector = owner
    who = f"request {number}" if number != ORIGINAL else "the original"
    return f"{who} for sector {sector}"


def differences(want, got, at):
    """Of the bytes from AT on: lines that tell which sectors of GOT are others than WANT, and
    whose; and the numbers of those requests."""
    lines, numbers = [], set()
    last = None                 # of the run: its first sector and owners, the last one
    for start in [*range(0, len(want), SECTOR), len(want)]:
        one, other = (data[start:start + SECTOR] for data in (want, got))
        now = None
        if one != other:
            now = _owner(one), _owner(other)
            if not isinstance(now[1], str):
                numbers.add(now[1][0])
        if last and now and all(map(_goes_on, last[1], now)):
            last = last[0], now
            continue
        if last:
            first, owners = last[0]
            lines.append(f"sectors {first} to {(at + start) // SECTOR - 1}: "
                         f"not {_name(owners[0])} but {_name(owners[1])}")
        last = (((at + start) // SECTOR, now), now) if now else None
    return lines, numbers - {ORIGINAL}


def entry(path, offset):
    """What the tables of the qcow2 image say of the disk's OFFSET: words in hex."""
    with open(path, "rb") as stream:
        head = os.pread(stream.fileno(), 112, 0)
        bits, = struct.unpack_from(">I", head, 20)
        l1_size, l1 = struct.unpack_from(">IQ", head, 36)
        version, = struct.unpack_from(">I", head, 4)
        words = 2 if version > 2 and head[79] & 16 else 1
        per_table = (1 << bits) // (8 * words)
        index = offset >> bits
        word, = struct.unpack(">Q", os.pread(
            stream.fileno(), 8, l1 + index // per_table * 8))
        table = word & 0x00fffffffffffe00
        if not table:
            return f"L1 {word:x}"
        found = os.pread(stream.fileno(), 8 * words,
                         table + index % per_table * 8 * words)
    return f"L1 {word:x} L2 {found.hex()}"
