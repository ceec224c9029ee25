#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Two clients write at the same time, all kinds of writes, while the plugin and the
gateway are killed and started again: each writes again what was not answered, and in the
end all is there that was."""

import os
import threading
import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.clients import open_nbd
from pullbacktest.outcome import Failed
from pullbacktest.restoreside import WriteStage, restore_plugin

SIZE = 32 * MIB
STEPS = 60


class Writer(threading.Thread):
    """Writes to every second MiB, from FIRST on, of MODEL and of the disk."""

    def __init__(self, stage, first, model, rng):
        super().__init__()
        self.stage, self.first, self.model = stage, first, model
        self.rng, self.steps, self.error = rng, 0, None

    def run(self):
        try:
            for self.steps in range(1, STEPS + 1):
                self.write_something()
        except Exception as error:      # pylint: disable=broad-except
            self.error = error

    def write_something(self):
        start = (self.first + 2 * self.rng.randrange(SIZE // MIB // 2)) * MIB
        offset = start + self.rng.randrange(MIB)
        length = self.rng.randrange(1, start + MIB - offset + 1)
        kind = self.rng.choice(("write", "write", "fua", "zero", "no hole"))
        data = self.rng.randbytes(length) if kind in ("write", "fua") \
            else bytes(length)
        self.model[offset:offset + length] = data
        self.insist(kind, data, offset)

    def insist(self, kind, data, offset):
        import nbd
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                handle = open_nbd(self.stage.uri())
                if kind in ("write", "fua"):
                    handle.pwrite(data, offset,
                                  nbd.CMD_FLAG_FUA if kind == "fua" else 0)
                else:
                    handle.zero(len(data), offset,
                                nbd.CMD_FLAG_NO_HOLE if kind == "no hole"
                                else 0)
                handle.flush()
                handle.shutdown()
                return
            except nbd.Error:
                time.sleep(0.02)
        raise Failed("no write gets through any more")


def test(t):
    need_programs("nbdkit")
    stage = WriteStage(t)
    target = stage.path("vda")
    with open(target, "wb") as f:
        f.truncate(SIZE)
    stage.start_writable({"vda": target})
    model = bytearray(SIZE)
    writers = [Writer(stage, first, model, type(t.random)(t.random.random()))
               for first in (0, 1)]
    for writer in writers:
        writer.start()
    for number in range(6):
        goal = (number + 1) * STEPS // 8
        while any(w.is_alive() and w.steps < goal for w in writers):
            time.sleep(0.005)
        if number % 2:
            stage.gateway.kill()
            stage.gateway.wait()
            stage.gateway = None
            stage.start_gateway("--written", stage.folder)
        else:
            stage.upstream.kill()
            stage.upstream = restart_plugin(t, stage, target)
    for writer in writers:
        writer.join()
        assert writer.error is None, writer.error
    with open(target, "rb") as f:
        assert f.read() == model, "what was answered is not there"


def restart_plugin(t, stage, target):
    os.unlink(stage.view)
    return restore_plugin(t, stage.view, {"vda": target}, options=("-t", "4"))


main(test)
