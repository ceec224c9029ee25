#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-restore-since.json
"""How long it takes to restore a qcow2 disk of 64 GiB, sparse with some data in runs of
1 MiB, of which 1 % has changed in blocks of 64 KiB: what --since tells of, written by a
client in Python, beside nbdcopy of all of the copy; by turns, onto two images of the same
bytes.

s: from restore-begin to the end of restore-commit, which syncs; begin, copy, commit: of that;
written: MiB of granules that were written to, by restore-info."""

import os
import time

import nbd

from pullbacktest import GIB, MIB, VM, Daemon, Disk, main, need, run
from pullbacktest.clients import dirty_map, open_nbd
from pullbacktest.restore import restore_begin
from sides import OURS, Sides, parse, parser

GRANULE = 65536
UNDER_WAY = 16                  # requests of the client

words = parser(__doc__, rounds=3)
words.add_argument("--size", type=int, default=64, help="GiB")
words.add_argument("--data", type=int, default=6144, help="MiB")
options = parse(words)
if options.short:
    options.size, options.data = 1, 64


def make_copy(path, rng):
    """The disk of checkpoint mon, as a sparse raw file; where its data is."""
    bodies = [rng.randbytes(MIB) for _ in range(16)]
    runs = sorted(rng.sample(range(options.size * 1024), options.data))
    with open(path, "wb") as stream:
        stream.truncate(options.size * GIB)
        for run_number in runs:
            stream.seek(run_number * MIB)
            stream.write(rng.choice(bodies))
    return runs


class Stage:
    """Two images that were the copy at checkpoint mon, of which 1 % of the data has changed
    since.  A restore of all of one marks all of it as changed: each side has its own."""

    def __init__(self, t):
        self.t = t
        folder = t.folder_below("/var/tmp")
        self.copy = os.path.join(folder, "mon.img")
        self.images = {name: os.path.join(folder, name + ".qcow2")
                       for name in ("since", "all")}
        runs = make_copy(self.copy, t.random)
        for path in self.images.values():
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.copy,
                path, timeout=600)
        self.daemon = Daemon(t)
        vm = VM(t, [Disk("vda", "qcow2", path=self.images["since"]),
                    Disk("vdb", "qcow2", path=self.images["all"])], boot=False)
        self.daemon.add(vm)
        self.daemon.cli("checkpoint-create", "vm1", "mon")
        places = t.random.sample(range(options.data * 16),
                                 max(options.data * 16 // 100, 1))
        for disk in vm.disks.values():
            for place in places:
                at = runs[place // 16] * MIB + place % 16 * GRANULE
                vm.qmp.hmp(f"qemu-io -d /machine/peripheral/{disk.name}/"
                           f"virtio-backend \"write -q -P 7 {at} 64k\"")
        vm.quit()
        self.seen = set()

    def one_round(self, name, write, *more):
        """WRITE gets the disk that restore-begin tells of."""
        run("sync", "-f", self.copy, timeout=600)
        start = time.monotonic()
        info = restore_begin(self.daemon, name, "--image", self.images[name],
                             "--format", "qcow2", *more)
        begun = time.monotonic()
        write(info["disks"][0])
        copied = time.monotonic()
        written = self.daemon.cli("restore-info", name)["disks"][0]["written"]
        self.daemon.cli("restore-commit", name, timeout=600)
        took = time.monotonic() - start
        if name not in self.seen:
            self.seen.add(name)
            run("qemu-img", "compare", "-q", "-f", "raw", "-F", "qcow2",
                self.copy, self.images[name], timeout=600)
        return {"s": took, "begin": begun - start, "copy": copied - begun,
                "commit": took - (copied - start), "written": written / MIB}

    def what_changed(self, disk):
        handle = open_nbd(disk["uri"])
        told = dirty_map(disk["uri"], disk["context"])
        need(sum(n for _, n in told) * 50 < options.data * MIB, "too much")
        with open(self.copy, "rb") as stream:
            for offset, length in told:
                stream.seek(offset)
                handle.aio_pwrite(nbd.Buffer.from_bytearray(
                    bytearray(stream.read(length))), offset, lambda error: 1)
                while handle.aio_in_flight() >= UNDER_WAY:
                    handle.poll(-1)
        while handle.aio_in_flight():
            handle.poll(-1)
        handle.flush()
        handle.shutdown()

    def everything(self, disk):
        run("nbdcopy", "--flush", self.copy, disk["uri"], timeout=600)


def bench(t):
    sides = Sides(t, options, {"s": False, "begin": False, "copy": False,
                               "commit": False, "written": False})
    stage = Stage(t)
    sides.measure(f"{options.size}-GiB,{options.data}-MiB-of-data", {
        OURS: lambda: stage.one_round("since", stage.what_changed, "--since",
                                      "mon"),
        "nbdcopy": lambda: stage.one_round("all", stage.everything)})
    sides.finish()


main(bench)
