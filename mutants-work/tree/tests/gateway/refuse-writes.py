#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes are refused by the export's flags and by every command, also when
the upstream server would take them; the connection goes on."""

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage

EPERM, EINVAL = 1, 22
READ, WRITE, FLUSH, TRIM, CACHE, ZERO, STATUS = 0, 1, 3, 4, 5, 6, 7


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.start()
    before = stage.content()
    for structured in False, True:
        with stage.raw() as client:
            size, flags = client.go(structured=structured)
            assert size == len(before) and flags & 2, flags
            # No FUA, TRIM, WRITE_ZEROES, CACHE or RESIZE is offered.
            assert flags & ~0x187 == 0, hex(flags)

            def answer():
                if not structured:
                    return client.simple_reply()
                chunk_flags, kind, cookie, data = client.chunk()
                assert chunk_flags == 1, chunk_flags
                if kind == 0:
                    return 0, cookie
                assert kind == 0x8001, hex(kind)
                length = int.from_bytes(data[4:6], "big")
                assert len(data) == 6 + length > 12, data
                return int.from_bytes(data[:4], "big"), cookie

            client.request(WRITE, MIB, 100000, cookie=5, data=b"x" * 100000)
            assert answer() == (EPERM, 5)
            client.request(WRITE, MIB, 0, cookie=6)
            assert answer() == (EPERM, 6)
            client.request(TRIM, MIB, 65536, cookie=7)
            assert answer() == (EPERM, 7)
            client.request(ZERO, MIB, 65536, cookie=8)
            assert answer() == (EPERM, 8)
            client.request(CACHE, MIB, 65536, cookie=9)
            assert answer() == (EINVAL, 9)
            client.request(4711, MIB, 65536, cookie=10)
            assert answer() == (EINVAL, 10)
            client.request(FLUSH, cookie=11)
            assert answer() == (0, 11)
            client.request(FLUSH, cookie=14, flags=8)
            assert answer() == (EINVAL, 14)
            # Not negotiated.
            client.request(STATUS, 0, 65536, cookie=12)
            assert answer() == (EINVAL, 12)
            client.request(READ, MIB, 8, cookie=13)
            if structured:
                _, kind, cookie, data = client.chunk()
                assert (kind, cookie) == (1, 13)
                assert data == MIB.to_bytes(8, "big") + before[MIB:MIB + 8]
            else:
                assert client.simple_reply() == (0, 13)
                assert client.get(8) == before[MIB:MIB + 8]
    with open(stage.image(), "rb") as f:
        assert f.read() == before, "a write got through"


main(test)
