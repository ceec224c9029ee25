#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""pullback:served is true: what it shows as sent was sent whole and without an
error, what it shows as confirmed was sent before its own client's flush, and
both outlive the gateway."""

import struct

from pullbacktest import MIB, kill, main, need_programs, run, wait_until
from pullbacktest.clients import fails, open_nbd
from pullbacktest.fleece import write_map
from pullbacktest.gateway import DIRTY, Stage, gateway_refuses
from pullbacktest.rawnbd import PlayedUpstream

KIB = 1024
GRANULE = 64 * KIB
SERVED = "pullback:served"
EIO = 5
DF = 4
TAIL = 16 * MIB + 10 * KIB      # the last granule is a short one


def make_maps(stage, size, names=("vda", "vda@dirty")):
    for name in names:
        for kind in "sent", "confirmed":
            write_map(stage.path(f"{name}.{kind}"), size)


def start(t, size=TAIL):
    stage = Stage(t)
    stage.make_disk(size)
    stage.start_upstream()
    stage.write_routes()
    make_maps(stage, size)
    stage.start_gateway("--served", stage.folder)
    return stage


def shown(stage, export="vda"):
    """[(KiB, KiB, flags)] of what is not 0."""
    return [(o // KIB, n // KIB, flags)
            for o, n, flags in stage.map(SERVED, export) if flags]


def want(stage, expected, export="vda"):
    """The mark comes after the reply, so that a client may be here first."""
    wait_until(lambda: shown(stage, export) == expected, 30,
               lambda: f"want {expected}, got {shown(stage, export)}")


def whole_granules(stage):
    handle = open_nbd(stage.uri())
    want(stage, [])
    handle.pread(3 * GRANULE, GRANULE)
    want(stage, [(64, 192, 1)])
    # Parts, in any order, make a granule; what misses a byte does not.
    for offset in 516, 512, 524, 520, 528, 532, 540, 544, 548, 552, 556, 560, \
            564, 568, 572, 536:
        want(stage, [(64, 192, 1)])
        handle.pread(4 * KIB, offset * KIB)
    want(stage, [(64, 192, 1), (512, 64, 1)])
    handle.pread(GRANULE - 1, 640 * KIB)
    handle.pread(96 * KIB, 800 * KIB)           # the end of one, and another
    want(stage, [(64, 192, 1), (512, 64, 1), (832, 64, 1)])
    # Other exports are others.
    want(stage, [], "vda@dirty")
    open_nbd(stage.uri("vda@dirty")).pread(GRANULE, 0)
    want(stage, [(0, 64, 1)], "vda@dirty")
    # The disk's end.
    handle.pread(10 * KIB, 16 * MIB)
    want(stage, [(64, 192, 1), (512, 64, 1), (832, 64, 1),
                 (16 * KIB, 10, 1)])
    handle.shutdown()


def flush_confirms_its_own(stage):
    one, other = open_nbd(stage.uri()), open_nbd(stage.uri())
    one.pread(MIB, 2 * MIB)
    other.pread(MIB, 4 * MIB)
    earlier = [(64, 192, 1), (512, 64, 1), (832, 64, 1)]
    last = [(16 * KIB, 10, 1)]
    want(stage, earlier + [(2 * KIB, KIB, 1), (4 * KIB, KIB, 1)] + last)
    one.flush()
    mine = shown(stage)
    assert mine == earlier + [(2 * KIB, KIB, 3), (4 * KIB, KIB, 1)] + last, \
        mine
    one.pread(MIB, 3 * MIB)
    # Who leaves has not said that it has stored anything.
    one.shutdown()
    other.shutdown()
    want(stage, earlier + [(2 * KIB, KIB, 3), (3 * KIB, 2 * KIB, 1)] + last)


def outlives_the_gateway(stage):
    before = shown(stage)
    process, stage.gateway = stage.gateway, None
    kill(process.pid)
    process.wait()
    stage.start_gateway("--served", stage.folder)
    assert shown(stage) == before, (shown(stage), before)


def is_listed_beside_others(stage):
    text = run("nbdinfo", "--list", stage.uri()).stdout
    assert text.count(SERVED) == 2, text
    with stage.raw() as client:
        client.go(structured=True, contexts=(SERVED.encode(), DIRTY.encode(),
                                             b"base:allocation"))
        client.request(7, 2 * MIB, MIB)
        got = {}
        flags = 0
        while not flags & 1:
            flags, kind, _, data = client.chunk()
            assert kind == 5, kind
            got[struct.unpack(">I", data[:4])[0]] = data[4:]
        assert sorted(got) == [0, 1, 2], got
        assert got[2] == struct.pack(">II", MIB, 3), got[2]


def not_what_was_not_taken(stage):
    """A client that goes before it has the whole reply."""
    before = shown(stage)
    with stage.raw() as client:
        client.go()
        client.request(0, 8 * MIB, 4 * MIB)
        client.get(MIB)
    with stage.raw() as client:
        client.go(structured=True)
        client.request(0, 8 * MIB, 4 * MIB)
        client.get(2 * MIB)
    # A good one that comes later is seen, so that these would be.
    open_nbd(stage.uri()).pread(GRANULE, 15 * MIB)
    want(stage, before[:-1] + [(15 * KIB, 64, 1)] + before[-1:])


def not_what_failed(t):
    stage = Stage(t)
    upstream = PlayedUpstream(t, stage.view)
    upstream.error, upstream.error_from = EIO, 8 * MIB
    stage.write_routes()
    make_maps(stage, 16 * MIB)
    stage.start_gateway("--served", stage.folder)
    handle = open_nbd(stage.uri())
    for length in GRANULE, 8 * MIB:
        fails(EIO, lambda n=length: handle.pread(n, 8 * MIB))
    # A simple reply is cut off in the middle, the other has an error behind it.
    with stage.raw() as client:
        client.go()
        client.request(0, 0, 16 * MIB)
        client.is_cut()
    with stage.raw() as client:
        client.go(structured=True)
        client.request(0, 0, 16 * MIB, flags=DF)
        while not client.chunk()[0] & 1:
            pass
    stage.end_gateway()
    with open(stage.path("vda.sent"), "rb") as f:
        assert not any(f.read()[4096:]), "a failed read is marked"


def wrong_maps(t):
    stage = Stage(t)
    stage.make_disk()
    stage.start_upstream()
    stage.write_routes()
    make_maps(stage, 8 * MIB)
    stage.start_gateway("--served", stage.folder)
    handle = open_nbd(stage.uri(), [SERVED])
    handle.pread(GRANULE, 15 * MIB)
    fails(EIO, lambda: handle.block_status(MIB, 0, lambda *_: 0))
    stage.end_gateway()
    with open(stage.path("vda.sent"), "wb") as f:
        f.write(b"no map at all")
    gateway_refuses(t, "--routes", stage.routes, "--unix", stage.socket,
                    "--served", stage.folder, saying=[stage.path("vda.sent")])


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = start(t)
    whole_granules(stage)
    flush_confirms_its_own(stage)
    is_listed_beside_others(stage)
    not_what_was_not_taken(stage)
    outlives_the_gateway(stage)
    not_what_failed(t)
    wrong_maps(t)


main(test)
