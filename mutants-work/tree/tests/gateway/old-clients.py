#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that only know NBD_OPT_EXPORT_NAME, with and without the zeroes."""

import struct

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.start()
    with open(stage.image(), "rb") as f:
        f.seek(MIB)
        content = f.read(100000)
    for flags, zeroes in (0, 124), (1, 124), (3, 0):
        with stage.raw() as client:
            client.client_flags(flags)
            client.option(1, b"vda")
            size, export_flags = struct.unpack(">QH", client.get(10))
            assert size == 16 * MIB and export_flags & 2
            assert client.get(zeroes) == bytes(zeroes)
            client.request(0, MIB, 100000, cookie=2**64 - 1)
            assert client.simple_reply() == (0, 2**64 - 1)
            assert client.get(100000) == content
            # Zero bytes are fine, also at the end.
            client.request(0, 16 * MIB, 0, cookie=3)
            assert client.simple_reply() == (0, 3)
            # What was asked for before the goodbye is still answered.
            for cookie in range(50):
                client.request(0, MIB, 100000, cookie=cookie)
            client.request(2)
            for _ in range(50):
                assert client.simple_reply()[0] == 0
                assert client.get(100000) == content
            assert client.is_cut()
    with stage.raw() as client:
        client.client_flags(3)
        client.option(1, b"nothing")
        assert client.is_cut()


main(test)
