#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""What has changed the gateway answers from the maps that it is given: exactly, as
dirty bitmap and as allocation, in answers of any size; as the upstream server has it
where there is no map; and with an error once the backup is broken."""

from pullbacktest import MIB, main
from pullbacktest.clients import fails, open_nbd
from pullbacktest.fleece import set_broken, write_map
from pullbacktest.gateway import DIRTY, Stage

GRANULE = 65536
SIZE = 2048 * MIB + 5 * 512     # the last granule is a short one
EIO = 5
HOLE = 3


def start(t, granules):
    stage = Stage(t)
    stage.make_disk(SIZE)
    stage.start_upstream()
    stage.write_routes()
    if granules is not None:
        write_map(stage.path("vda@dirty.dirty"), SIZE, granules)
        write_map(stage.path("vda.present"), SIZE)
    stage.start_gateway("--maps", stage.folder)
    return stage


def dirty_granules(stage, context, export, flags):
    return {number for offset, length, value in stage.map(context, export)
            if value == flags for number in
            range(offset // GRANULE, -(-(offset + length) // GRANULE))}


def exact(t):
    last = SIZE // GRANULE
    want = {0, 1, 7, 63, 64, last} | set(range(1000, 30000, 2)) \
        | {t.random.randrange(last) for _ in range(300)}
    stage = start(t, want)
    have = dirty_granules(stage, DIRTY, "vda", 1)
    t.check(have == want, f"the bitmap has {len(have ^ want)} wrong granules")
    have = dirty_granules(stage, "base:allocation", "vda@dirty", 0)
    t.check(have == want, f"the export has {len(have ^ want)} wrong granules")
    kinds = {flags for _, _, flags in stage.map("base:allocation", "vda@dirty")}
    t.check(kinds == {0, HOLE}, f"flags of vda@dirty: {kinds}")
    # What the maps do not tell is still the upstream server's.
    t.check(any(flags == 0 for _, _, flags in
                stage.map("base:allocation", "vda")), "vda has no data")

    set_broken(stage.folder, "vda")
    for export, context in ("vda", DIRTY), ("vda@dirty", "base:allocation"):
        handle = open_nbd(stage.uri(export), [context])
        fails(EIO, lambda: handle.block_status(MIB, 0, lambda *_: 0))
        handle.shutdown()
    stage.end_gateway()


def without_maps(t):
    stage = start(t, None)
    have = dirty_granules(stage, DIRTY, "vda", 1)
    t.check(have == {17, 18, 80}, f"the upstream server's map: {have}")
    stage.end_gateway()


def of_another_size(t):
    stage = Stage(t)
    stage.make_disk()
    stage.start_upstream()
    stage.write_routes()
    write_map(stage.path("vda@dirty.dirty"), SIZE)
    write_map(stage.path("vda.present"), SIZE)
    stage.start_gateway("--maps", stage.folder)
    handle = open_nbd(stage.uri(), [DIRTY])
    fails(EIO, lambda: handle.block_status(MIB, 0, lambda *_: 0))
    t.check(len(handle.pread(4096, 0)) == 4096, "reads go on")
    handle.shutdown()


def test(t):
    exact(t)
    without_maps(t)
    of_another_size(t)


main(test)
