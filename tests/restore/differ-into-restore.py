#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Through the gateway's writable exports a disk becomes equal to another by writing what
differs: a raw one by the plugin, a qcow2 one by qemu-storage-daemon.  The map of what
was written has those granules, and others only where something was zeroed."""

from pullbacktest import MIB, main, need, need_programs, run
from pullbacktest.differ import (BLOCK, changed, make_equal, random_disk,
                                 same_bytes, serve, write_sparse)
from pullbacktest.restoreside import WriteStage, storage_daemon

SIZE = 24 * MIB + 512
GRANULE = 65536


def differing_granules(one, other):
    return {offset // GRANULE for offset in range(0, len(one), GRANULE)
            if one[offset:offset + GRANULE] != other[offset:offset + GRANULE]}


def has_zeros(data):
    return any(not any(data[offset:offset + BLOCK])
               for offset in range(0, len(data), BLOCK))


def one(t, form, source, target):
    stage = WriteStage(t)
    write_sparse(t.path("raw"), target)
    path = stage.image("vda." + form)
    run("qemu-img", "convert", "-f", "raw", "-O", form, t.path("raw"), path)
    targets = {"vda": path}
    server = None
    if form != "raw":
        server = t.path("storage.sock")
        daemon = storage_daemon(t, server, targets, form)
    stage.start_writable(targets, server=server)
    from_ = serve(t, "source-" + form, "file", t.path("source"))
    counts = make_equal(from_.uri(""), stage.uri(), "--verify")
    want = differing_granules(source, target)
    there = stage.written()
    # What both have as data, and is equal, is not touched; what the source has as a
    # hole is zeroed, be it zero already.
    need(want <= there, f"{form}: not in the map: {sorted(want - there)[:5]}")
    extra = [granule for granule in there - want
             if not has_zeros(source[granule * GRANULE:(granule + 1) * GRANULE])]
    need(not extra, f"{form}: too many are in the map: {extra[:5]}, {counts}")
    again = make_equal(from_.uri(""), stage.uri())
    need(again["written"] == 0, f"{form}: written again: {again}")
    stage.end_gateway()
    if form != "raw":
        daemon.end()
    run("qemu-img", "convert", "-f", form, "-O", "raw", path, t.path("raw"))
    same_bytes(t.path("raw"), source, form)
    from_.end()


def test(t):
    need_programs("nbdkit", "qemu-storage-daemon")
    source = random_disk(t.random, SIZE)
    target = changed(t.random, source)
    write_sparse(t.path("source"), source)
    for form in "raw", "qcow2":
        one(t, form, source, target)


main(test)
