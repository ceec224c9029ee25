#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: bench --json bench-full-pull.json
# mark: bench --busy --only direct --only nbdcopy-4 --json bench-busy-pull.json
"""How fast all of a disk is pulled: from pullback, from QEMU's own NBD export of a
qcow2 fleecing overlay, and, as the limit, fio's sequential read of the same files
with no NBD at all; by turns, in one VM.  A cell is a format (overlay: three qcow2
files above each other), a way in which it is read (page-cache: all of it is there,
cold: nothing, direct: the VM opens it with cache.direct) and a client with its
number of connections (qemu-img has one).

    full-pull.py                                # all cells, the guest is idle
    full-pull.py --only qcow2 --only cold       # some
    full-pull.py --busy                         # while the guest writes, not paced

cpu: processor seconds per GiB of view, gateway, sink, daemon, QEMU (less its
guest), and client."""

import json
import os
import time

from fleecingways import Fleecing, Pullback, fill, fill_chain, make_cold
from processortime import ProcessorTime
from pullbacktest import GIB, MIB, VM, Disk, main, nbdcopy, need, run
from sides import Sides, parse, parser

FORMS = ("raw", "qcow2", "overlay")
CACHES = ("page-cache", "cold", "direct")
DEPTH = 3
CLIENTS = ("nbdcopy-1", "nbdcopy-4", "convert-1")

words = parser(__doc__)
words.add_argument("--size", type=int, default=1024, help="MiB")
words.add_argument("--busy", action="store_true",
                   help="the guest writes all the time, 4 KiB at random places")
words.add_argument("--rate", type=int, default=0, metavar="IOPS",
                   help="with --busy: as often at most, so that it does as much "
                   "beside either")
options = parse(words)
if options.short:
    options.size = min(options.size, 128)


def pull(uri, client):
    name, connections = client.split("-")
    if name == "nbdcopy":
        nbdcopy(uri, "null:", f"--connections={connections}")
        return
    run("qemu-img", "convert", "-n", "-W", "-m", "16", "-f", "raw",
        "--target-image-opts", uri,
        f"driver=null-co,size={options.size * MIB}")


class Stage:
    """A VM with one filled disk, and both ways to its point in time."""

    def __init__(self, t, form, direct):
        self.size = options.size * MIB
        path = t.path(f"{form}-{direct}")
        self.disk = Disk("vda", "raw" if form == "raw" else "qcow2", self.size,
                         direct=direct, path=path)
        if form == "overlay":
            self.files = fill_chain(self.disk, DEPTH - 1)
        else:
            fill(self.disk)
            self.files = [path]
        self.direct = direct
        self.vm = VM(t, [self.disk], boot=options.busy)
        self.ways = [Pullback(t, self.vm, name=f"{form}-{direct}"),
                     Fleecing(t, self.vm)]

    def prepare(self, cache):
        make_cold(*self.files)
        if cache == "page-cache":
            for path in self.files:
                run("dd", f"if={path}", "of=/dev/null", "bs=1M")

    def one_pull(self, way, cache, client):
        uri = way.begin(*("--pace=off",) if options.busy
                        and way.name == Pullback.name else ())
        try:
            self.prepare(cache)
            times = ProcessorTime(self.vm, way.processes())
            if options.busy:
                self.vm.guest(f"iops seed={time.monotonic_ns() % 99999} "
                              f"disk=vda size=4096 rate={options.rate}")
            times.start()
            start = time.monotonic()
            pull(uri, client)
            seconds = time.monotonic() - start
            found = {"MiB/s": self.size / seconds / MIB,
                     "cpu": times.per_gib(self.size)}
            if options.busy:
                lap = self.vm.guest("stop")
                need(lap["errors"] == 0, f"the guest saw I/O errors: {lap}")
                found["guest-IOPS"] = lap["ops"] * 1e6 / lap["us"]
                found["guest-p99-us"] = lap["p99-us"]
        finally:
            way.end()
        return found

    def limit(self, cache):
        self.prepare(cache)
        said = run("fio", "--name=limit", "--rw=read", "--bs=256k",
                   "--iodepth=16", "--ioengine=io_uring", "--invalidate=0",
                   f"--direct={int(cache == 'direct')}", "--readonly",
                   "--file_service_type=sequential",
                   "--filename=" + ":".join(self.files),
                   "--output-format=json").stdout
        job = json.loads(said[said.index("{"):])["jobs"][0]
        took = job["job_runtime"] / 1000
        return {"MiB/s": job["read"]["bw_bytes"] / MIB, "cpu": {
            "client": (job["usr_cpu"] + job["sys_cpu"]) / 100 * took
            * GIB / job["read"]["io_bytes"]}}

    def close(self):
        self.ways[0].close()
        self.vm.quit()
        for path in self.files:
            os.unlink(path)


def measure(sides, stage, cell, cache, client):
    measured = {way.name: lambda way=way: stage.one_pull(way, cache, client)
                for way in stage.ways}
    if not options.busy:
        measured["fio"] = lambda: stage.limit(cache)
    sides.measure(cell, measured)


def bench(t):
    figures = {"MiB/s": True, "cpu": False}
    if options.busy:
        figures.update({"guest-IOPS": True, "guest-p99-us": False})
    sides = Sides(t, options, figures)
    for form in FORMS:
        for direct in (False, True):
            cells = {f"{form},{cache},{client}": (cache, client)
                     for cache in CACHES for client in CLIENTS
                     if (cache == "direct") == direct
                     and sides.wants(f"{form},{cache},{client}")}
            if not cells:
                continue
            stage = Stage(t, form, direct)
            for cell, what in cells.items():
                measure(sides, stage, cell, *what)
            stage.close()
    sides.finish()


main(bench)
