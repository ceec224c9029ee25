#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""--consume: trims go upstream and are noted as confirmed, what is refused there
is refused here, and nothing else may be written."""

from pullbacktest import MIB, main, need_programs, wait_until
from pullbacktest.clients import fails, open_nbd
from pullbacktest.fleece import write_map
from pullbacktest.gateway import Stage

KIB = 1024
SIZE = 16 * MIB
EPERM, EIO, EINVAL = 1, 5, 22
WRITE, TRIM, ZERO = 1, 4, 6
SERVED = "pullback:served"


def served(stage, *export):
    return [(o // KIB, n // KIB, flags)
            for o, n, flags in stage.map(SERVED, *export) if flags]


def trims(t, stage):
    before = stage.content()
    handle = open_nbd(stage.uri(), strict=False)
    t.check(handle.can_trim() and not handle.is_read_only() and
            not handle.can_zero() and handle.can_multi_conn(), "flags")
    handle.pread(MIB, MIB)
    # The mark comes after the reply, so that a client may be here first.
    wait_until(lambda: served(stage) == [(KIB, KIB, 1)], 30,
               lambda: f"{served(stage)}")
    handle.trim(96 * KIB, MIB + 32 * KIB)
    # A granule in part is not confirmed, and one that was not read is.
    handle.trim(MIB, 4 * MIB)
    t.check(served(stage)[:4] == [(1024, 64, 1), (1088, 64, 3),
                                  (1152, 896, 1), (4096, 1024, 3)],
            f"{served(stage)}")
    # Nobody can read that again, by no export of the disk; what was only read
    # is the export's own.
    t.check(served(stage, "vda@dirty") == [(1088, 64, 3), (4096, 1024, 3)],
            f"{served(stage, 'vda@dirty')}")
    t.check(not served(stage, "vdb"), "another disk")
    after = bytearray(before)
    after[MIB + 32 * KIB:MIB + 128 * KIB] = bytes(96 * KIB)
    after[4 * MIB:5 * MIB] = bytes(MIB)
    t.check(stage.content() == after, "upstream has not what was trimmed")
    handle.trim(SIZE, 0)
    t.check(served(stage) == [(0, SIZE // KIB, 3)], f"{served(stage)}")
    handle.shutdown()


def refusals(stage):
    for structured in False, True:
        with stage.raw() as client:
            _, flags = client.go(structured=structured)
            assert flags & 0x22 == 0x20, hex(flags)

            def answer():
                if not structured:
                    return client.simple_reply()
                flags, kind, cookie, data = client.chunk()
                assert flags == 1, flags
                return (int.from_bytes(data[:4], "big") if kind == 0x8001
                        else 0), cookie

            client.request(WRITE, MIB, 100000, cookie=5, data=b"x" * 100000)
            assert answer() == (EPERM, 5)
            client.request(ZERO, MIB, 65536, cookie=6)
            assert answer() == (EPERM, 6)
            client.request(TRIM, SIZE, 1, cookie=7)
            assert answer() == (EINVAL, 7)
            client.request(TRIM, MIB, 65536, cookie=8, flags=2)
            assert answer() == (EINVAL, 8)
            client.request(TRIM, MIB, 0, cookie=9)
            assert answer() == (0, 9)
            client.request(TRIM, MIB, 65536, cookie=10, flags=1)
            assert answer() == (0, 10)


def upstream_fails(stage):
    handle = open_nbd(stage.uri())
    with open(stage.path("fail"), "wb"):
        pass
    fails(EIO, lambda: handle.trim(65536, 0))
    handle.pread(512, 0)
    handle.shutdown()


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    for name in "vda", "vdb":
        stage.make_disk(SIZE, name)
    stage.start_upstream("--filter=error", "error-trim=EIO",
                         f"error-trim-file={stage.path('fail')}",
                         "error-trim-rate=100%")
    stage.write_routes(("vda", "vdb"))
    for name in "vda", "vda@dirty", "vdb", "vdb@dirty":
        for kind in "sent", "confirmed":
            write_map(stage.path(f"{name}.{kind}"), SIZE)
    stage.start_gateway("--served", stage.folder, "--consume")
    trims(t, stage)
    refusals(stage)
    upstream_fails(stage)


main(test)
