#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Random disks of odd sizes become equal to others, whatever the servers can do:
with and without block status, zero requests and several connections, with a
smallest block, onto raw and onto qcow2.  What is written is at most one part in
twenty more than what differs; run again, nothing is written."""

import os

from pullbacktest import MIB, main, need, need_programs, run
from pullbacktest.differ import (BLOCK, changed, differing, make_equal,
                                 random_disk, requests, same_bytes, serve,
                                 serve_by_qemu, write_sparse)

# What nbdkit is told on both sides: filters, parameters, and the least block.
KINDS = {
    "plain": ((), (), 1),
    "no block status": (("--filter=noextents",), (), 1),
    "no zero requests": (("--filter=nozero",), (), 1),
    "neither": (("--filter=nozero", "--filter=noextents"), (), 1),
    "emulated zero requests": (("--filter=nozero",), ("zeromode=emulate",), 1),
    "one connection": (("--filter=multi-conn",), ("multi-conn-mode=disable",),
                       1),
    "one at a time": (("--filter=noparallel",), (), 1),
    "least block 512": (("--filter=blocksize-policy",),
                        ("blocksize-minimum=512",
                         "blocksize-error-policy=error"), 512),
    "least block 4096": (("--filter=blocksize-policy",),
                         ("blocksize-minimum=4096",
                          "blocksize-error-policy=error"), 4096),
    "least block 64K": (("--filter=blocksize-policy",),
                        ("blocksize-minimum=64K", "blocksize-preferred=64K",
                         "blocksize-error-policy=error"), 65536),
    "most 256K": (("--filter=blocksize-policy",),
                  ("blocksize-maximum=256K",
                   "blocksize-error-policy=error"), 1),
}


def nbdkit(t, name, path, kind):
    filters, parameters, _ = KINDS[kind]
    return serve(t, name, "--filter=log", *filters, "file", path, *parameters,
                 "logfile=" + t.path(name + ".requests"))


def flushes(log):
    with open(log, encoding="utf-8") as stream:
        return sum(" Flush " in line for line in stream)


def options(rng):
    return [word for word in ("--verify", "--no-trim", "--zero-rest",
                              f"--connections={rng.randrange(1, 6)}")
            if rng.random() < 0.5]


def one(t, rng, number, kinds):
    least = [KINDS[kind][2] for kind in kinds]
    size = rng.choice([rng.randrange(1, 20 * MIB), rng.randrange(1, 70000), 0,
                       512, 4097])
    # A server whose disk is no multiple of its least block lies.
    size -= size % max(least)
    source = random_disk(rng, size)
    target = changed(rng, source)
    write_sparse(t.path("source"), source)
    write_sparse(t.path("target"), target)
    servers = [nbdkit(t, f"{name}{number}", t.path(name), kind)
               for name, kind in zip(("source", "target"), kinds)]
    what = f"{number}: {kinds}, {size} bytes"
    words = options(rng)
    counts = make_equal(*(server.uri("") for server in servers), *words)
    same_bytes(t.path("target"), source, f"{what}, {words}")
    log = t.path(f"target{number}.requests")
    asked = requests(log)
    taken = sum(n for kind, n in asked if kind == "Write")
    differed = differing(source, target, max(BLOCK, least[1]))
    if kinds[1] == "emulated zero requests":
        taken -= counts["zeroed"]       # nbdkit shows them as writes
    need(taken == counts["written"], f"{what}: {taken} bytes, not {counts}")
    need(counts["written"] <= 1.05 * differed,
         f"{what}: {differed} bytes differ: {counts}")
    need(size == 0 or differed == 0 or counts["written"] + counts["zeroed"] > 0,
         f"{what}: {counts}")
    need(flushes(log) == 1, f"{what}: {flushes(log)} flushes")
    again = make_equal(*(server.uri("") for server in servers))
    need(again["written"] == 0, f"{what}: written again: {again}")
    # Whoever wrote it before may have been ended before that.
    need(flushes(log) == 2, f"{what}: no flush where nothing was written")
    for server in servers:
        server.end()
    return counts


def onto_qcow2(t, rng, number, *more):
    size = 512 * rng.randrange(2, 40000)
    source = random_disk(rng, size)
    target = changed(rng, source)
    write_sparse(t.path("source"), source)
    write_sparse(t.path("raw"), target)
    path = t.path("target.qcow2")
    for name in "source", "target":
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *more,
            t.path("source" if name == "source" else "raw"),
            t.path(name + ".qcow2"))
    servers = [serve_by_qemu(t, f"source{number}", t.path("source.qcow2"),
                             "qcow2", "--read-only"),
               serve_by_qemu(t, f"target{number}", path, "qcow2")]
    words = options(rng)
    counts = make_equal(*(server.uri("") for server in servers), *words)
    differed = differing(source, target)
    need(counts["written"] <= 1.05 * differed, f"{differed}: {counts}")
    for server in servers:
        server.end()
    run("qemu-img", "convert", "-O", "raw", path, t.path("raw"))
    same_bytes(t.path("raw"), source, f"qcow2 {more}, {words}")
    run("qemu-img", "check", path)
    os.unlink(path)


def test(t):
    need_programs("nbdkit", "qemu-nbd")
    rng = t.random
    names = list(KINDS)
    number = 0
    # Each kind as source and as target, in pairs by chance.
    for kinds in zip(rng.sample(names, len(names)),
                     rng.sample(names, len(names))):
        for pair in kinds, ("plain", kinds[1]):
            one(t, rng, number, pair)
            number += 1
    for more in (), ("-o", "cluster_size=4k"), ("-o", "preallocation=metadata"):
        onto_qcow2(t, rng, number, *more)
        number += 1


main(test)
