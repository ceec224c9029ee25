#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Random writes, zeroes, trims, reads and maps of role=restore against a model, on files
of several file systems and on a block device."""

import os
import subprocess

from pullbacktest import MIB, Skip, main
from pullbacktest.clients import extents
from pullbacktest.restoreside import loop_device, restore_plugin

STEPS = 400


class Model:
    def __init__(self, t, path, device=None):
        import nbd
        self.t, self.nbd = t, nbd
        self.path, self.device = path, device
        with open(path, "wb") as f:
            f.write(t.random.randbytes(5 * MIB + (0 if device else 700)))
        with open(path, "rb") as f:
            self.bytes = bytearray(f.read())
        socket = path + ".sock"
        self.server = restore_plugin(t, socket, {"vda": device or path})
        self.handles = [self.server.connect("vda", "base:allocation")
                        for _ in range(2)]
        self.fast_refused = self.fast_done = 0

    def step(self):
        random = self.t.random
        size = len(self.bytes)
        offset = random.randrange(size)
        length = min(random.choice((1, 511, 512, 4096, 65536, 1 << 20)) *
                     random.randrange(1, 4), size - offset)
        if random.random() < 0.5:
            offset, length = offset & ~4095, max(length & ~4095, 1)
        handle = random.choice(self.handles)
        fua = self.nbd.CMD_FLAG_FUA if random.random() < 0.05 else 0
        getattr(self, random.choice(
            ("write", "write", "zero", "fast_zero", "trim", "read",
             "flush")))(handle, offset, length, fua)

    def write(self, handle, offset, length, fua):
        data = self.t.random.randbytes(length)
        handle.pwrite(data, offset, fua)
        self.bytes[offset:offset + length] = data

    def zero(self, handle, offset, length, fua):
        no_hole = self.t.random.random() < 0.5
        handle.zero(length, offset,
                    fua | (self.nbd.CMD_FLAG_NO_HOLE if no_hole else 0))
        self.bytes[offset:offset + length] = bytes(length)

    def fast_zero(self, handle, offset, length, fua):
        no_hole = self.t.random.random() < 0.5
        try:
            handle.zero(length, offset, fua | self.nbd.CMD_FLAG_FAST_ZERO |
                        (self.nbd.CMD_FLAG_NO_HOLE if no_hole else 0))
        except self.nbd.Error as error:
            # Then nothing has changed.
            assert error.errnum == 95, error
            self.fast_refused += 1
        else:
            self.bytes[offset:offset + length] = bytes(length)
            self.fast_done += 1

    def trim(self, handle, offset, length, fua):
        handle.trim(length, offset, fua)
        now = handle.pread(length, offset)
        for start in range(0, length, 4096):
            piece = now[start:start + 4096]
            was = self.bytes[offset + start:offset + start + len(piece)]
            assert all(a in (0, b) for a, b in zip(piece, was)), \
                "a trim made something up"
        self.bytes[offset:offset + length] = now

    def read(self, handle, offset, length, _):
        assert handle.pread(length, offset) == \
            self.bytes[offset:offset + length], (offset, length)

    def flush(self, handle, *_):
        handle.flush()

    def check(self):
        for offset, length, flags in extents(self.handles[0]):
            if flags & 2:
                assert not any(self.bytes[offset:offset + length]), \
                    "data is called zero"
        assert self.handles[1].pread(len(self.bytes), 0) == self.bytes
        self.server.end()
        if self.device:
            subprocess.run(["blockdev", "--flushbufs", self.device],
                           check=True)
        with open(self.device or self.path, "rb") as f:
            assert f.read() == self.bytes


def run_model(t, path, device=None):
    model = Model(t, path, device)
    for _ in range(STEPS):
        model.step()
    model.check()
    return model


def test(t):
    model = run_model(t, os.path.join(t.folder_below("/var/tmp"), "disk"))
    t.say(f"fast: {model.fast_done} done, {model.fast_refused} refused")
    if os.access("/dev/shm", os.W_OK):
        model = run_model(t, os.path.join(t.folder_below("/dev/shm"), "disk"))
        assert model.fast_done and model.fast_refused, \
            "tmpfs punches holes fast, and has no other zeros"
    path = os.path.join(t.folder_below("/var/tmp"), "device")
    with open(path, "wb") as f:
        f.truncate(5 * MIB)
    try:
        with loop_device(path) as device:
            run_model(t, path, device)
    except Skip as skip:
        t.say(f"without a block device: {skip}")


main(test)
