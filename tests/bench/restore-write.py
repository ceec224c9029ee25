#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-restore-write.json
"""How fast a disk is written back: through the gateway, to role=restore for raw
images and to qemu-storage-daemon for qcow2, and to qemu-storage-daemon's own
writable export of the same images, started as people do; by turns.  A cell is a
format, a target (new: a file without data; over: one that is full) and nbdcopy's
number of connections.  The writes end in the page cache on both sides, and it has
room.

    restore-write.py                            # all cells
    restore-write.py --only raw --only new      # some

cpu: processor seconds per GiB of gateway, plugin, qemu-storage-daemon and client."""

import os
import resource
import time

from processortime import used
from pullbacktest import GIB, MIB, main, nbdcopy, run
from pullbacktest.restoreside import (STORAGE_VARIABLES, WriteStage,
                                      restore_plugin, storage_daemon)
from sides import OURS, Sides, parse, parser

words = parser(__doc__)
words.add_argument("--size", type=int, default=1024, help="MiB")
options = parse(words)
if options.short:
    options.size = min(options.size, 64)
THEIRS = "qemu-storage-daemon"


def client_time():
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


class Round:
    """One side, with a target of its own."""

    def __init__(self, t, folder, form, over, ours):
        self.form = form
        self.stage = WriteStage(t)
        self.target = os.path.join(folder, "target")
        run("qemu-img", "create", "-q", "-f", form, self.target,
            f"{options.size}M")
        if over:
            self.fill(t)
        socket = self.stage.path("storage.sock")
        if form != "raw" or not ours:
            self.server = storage_daemon(t, socket, {"vda": self.target}, form,
                                         STORAGE_VARIABLES if ours else None)
        else:
            socket = self.stage.view
            self.server = restore_plugin(t, socket, {"vda": self.target},
                                         options=("-t", "4"))
        self.processes = {"server": self.server.pid}
        self.uri = f"nbd+unix:///vda?socket={socket}"
        if ours:
            self.stage.start_writable({"vda": self.target}, server=socket)
            self.uri = self.stage.uri()
            self.processes["gateway"] = self.stage.gateway.pid

    def fill(self, t):
        if self.form == "raw":
            with open(self.target, "r+b") as f:
                for _ in range(options.size):
                    f.write(bytes([7]) * MIB)
        else:
            run("qemu-io", "-f", self.form, "-c",
                f"write -P 7 0 {options.size}M", self.target)
        run("sync", self.target)

    def _now(self):
        return {"client": client_time(),
                **{who: used(f"/proc/{pid}")
                   for who, pid in self.processes.items()}}

    def measure(self, source, connections):
        before, start = self._now(), time.monotonic()
        nbdcopy(source, self.uri, f"--connections={connections}")
        seconds = time.monotonic() - start
        size = options.size * MIB
        return {"MiB/s": size / seconds / MIB,
                "cpu": {who: (value - before[who]) * GIB / size
                        for who, value in self._now().items()}}

    def close(self):
        self.stage.end_gateway()
        self.server.end()
        os.unlink(self.target)


def bench(t):
    sides = Sides(t, options, {"MiB/s": True, "cpu": False})
    folder = t.folder_below("/var/tmp")
    source = os.path.join(t.folder_below("/dev/shm"), "source")
    with open(source, "wb") as f:
        for _ in range(options.size):
            f.write(t.random.randbytes(MIB))

    def one_round(form, over, connections, ours):
        stage = Round(t, folder, form, over, ours)
        try:
            return stage.measure(source, connections)
        finally:
            stage.close()

    for form in "raw", "qcow2":
        for target in "new", "over":
            for connections in 1, 4:
                cell = f"{form},{target},nbdcopy-{connections}"
                if sides.wants(cell):
                    sides.measure(cell, {
                        name: lambda name=name: one_round(
                            form, target == "over", connections, name == OURS)
                        for name in (OURS, THEIRS)})
    sides.finish()


main(bench)
