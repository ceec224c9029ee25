# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of a restore that writes blocks of its own and notes, before each, what it asks for,
and after it that it was answered, so that it may be killed at any moment.  A program:
python3 restorewriter.py URI NOTES SIZE SEED.  For the test: what a disk may then hold."""

import os
import random
import sys

BLOCK = 65536
PIECE = 4096                    # a write that was not answered may be there by pages


def pattern(number, length=BLOCK):
    return (b"written" + number.to_bytes(9, "big")) * (length // 16)


class Notes:
    """What the notes of all writers of one disk say."""

    def __init__(self, path):
        self.path = path
        self.answered, self.open = {}, {}
        self.count = self.sent = 0
        with open(path) as stream:
            for line in stream.read().splitlines():
                self._line(*line.split())

    def _line(self, kind, number="", block=""):
        if kind == "ask":
            self.sent += 1
            self.open.setdefault(int(block), []).append(int(number))
        elif kind == "done":
            self.count += 1
            self.answered[int(block)] = int(number)
            self.open[int(block)] = []

    def wrong(self, path, before):
        """The first block of the disk that lacks what was answered; None."""
        with open(path, "rb") as got, open(before, "rb") as old:
            for block in range(os.path.getsize(before) // BLOCK):
                first = old.read(BLOCK)
                if block in self.answered:
                    first = pattern(self.answered[block])
                may = {pattern(n, PIECE) for n in self.open.get(block, [])}
                data = got.read(BLOCK)
                for at in range(0, BLOCK, PIECE):
                    have = data[at:at + PIECE]
                    if have != first[at:at + PIECE] and have not in may:
                        return f"block {block} at {at}"
            return None if not got.read(1) else "it is longer"


def write_on(uri, path, size, seed):
    import nbd
    chance = random.Random(seed)
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    number = seed << 32

    def note(*words):
        os.write(notes, (" ".join(map(str, words)) + "\n").encode())

    while True:
        handle = nbd.NBD()
        try:
            handle.connect_uri(uri)
            while True:
                number += 1
                block = chance.randrange(size // BLOCK)
                note("ask", number, block)
                handle.pwrite(pattern(number), block * BLOCK)
                note("done", number, block)
                if number % 16 == 0:
                    handle.flush()
        except nbd.Error:
            os.sched_yield()    # until somebody ends it


if __name__ == "__main__":
    write_on(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
