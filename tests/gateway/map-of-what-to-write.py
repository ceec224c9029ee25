#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A writable export offers a map that is given as a file, as a context, and another export as
its allocation; both stay as they are whatever is written, and without that file there is no
gateway."""

import json

from pullbacktest import MIB, main
from pullbacktest.clients import extents, fails, open_nbd
from pullbacktest.fleece import write_map
from pullbacktest.gateway import gateway_refuses
from pullbacktest.restoreside import WriteStage, restore_plugin

SIZE = 16 * MIB
GRANULE = 65536
CONTEXT = "qemu:dirty-bitmap:restore-mon"
EPERM = 1
DATA, HOLE = 0, 1


def write_routes(stage, context):
    exports = [
        {"name": "vda", "upstream": "vda", "description": "", "writable": True,
         "contexts": [{"name": CONTEXT, **context}]},
        {"name": "vda@changed", "upstream": "vda", "description": "",
         "contexts": [], "map": "vda@changed"}]
    with open(stage.routes, "w", encoding="utf-8") as stream:
        json.dump({"upstream": stage.view, "exports": exports}, stream)


def granules(stage, export, context, flags):
    handle = open_nbd(stage.uri(export), [context])
    found = {number for offset, length, value in extents(handle, context)
             if value == flags for number in
             range(offset // GRANULE, (offset + length) // GRANULE)}
    handle.shutdown()
    return found


def offered(t, stage, want):
    have = granules(stage, "vda", CONTEXT, 1)
    t.check(have == want, f"the context has {sorted(have ^ want)[:9]} wrong")
    have = granules(stage, "vda@changed", "base:allocation", DATA)
    t.check(have == want, f"the export has {sorted(have ^ want)[:9]} wrong")
    rest = granules(stage, "vda@changed", "base:allocation", HOLE)
    t.check(len(rest) + len(have) == SIZE // GRANULE, "there are other flags")


def test(t):
    stage = WriteStage(t)
    disk = t.path("disk")
    with open(disk, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))
    want = set(t.random.sample(range(SIZE // GRANULE), 40))
    stage.upstream = restore_plugin(t, stage.view, {"vda": disk})
    stage.write_maps({"vda": disk})
    for context, word in (({"map": "vda@changed"}, "vda@changed"),
                          ({"map": "vdb@changed"}, "vdb@changed"),
                          ({"map": "a/b"}, "a/b"), ({}, "upstream"),
                          ({"map": "vda@changed", "upstream": "vda"}, '"map"')):
        write_routes(stage, context)
        words = ("--routes", stage.routes, "--unix", stage.socket, "--written",
                 stage.folder)
        gateway_refuses(t, *words, "--maps", stage.folder, saying=[word])
        if word == "vda@changed":
            gateway_refuses(t, *words, saying=["--maps"])
            write_map(stage.path("vda@changed.dirty"), SIZE, want)

    write_routes(stage, {"map": "vda@changed"})
    stage.start_gateway("--written", stage.folder, "--maps", stage.folder)
    offered(t, stage, want)
    handle = open_nbd(stage.uri("vda"))
    handle.pwrite(bytes(MIB), 5 * MIB)
    handle.trim(MIB, 9 * MIB)
    handle.shutdown()
    offered(t, stage, want)
    handle = open_nbd(stage.uri("vda@changed"))
    t.check(handle.is_read_only(), "vda@changed can be written")
    t.check(handle.pread(MIB, 5 * MIB) == bytes(MIB), "it reads otherwise")
    fails(EPERM, lambda: handle.pwrite(b"x" * 512, 0))
    handle.shutdown()
    stage.end_gateway()


main(test)
