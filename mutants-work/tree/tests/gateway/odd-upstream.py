#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an upstream server says is not handed on where the protocol does not
allow it: error numbers, block sizes.  Its own limits are kept.  The server is
played, as a real one cannot be made to say such things."""

import struct

from pullbacktest import MIB, main
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import PlayedUpstream

EIO, ENOMEM, EINVAL = 5, 12, 22


def errors(stage, upstream):
    with stage.raw() as client:
        client.go()
        for theirs, ours in [(EIO, EIO), (ENOMEM, ENOMEM), (116, EIO),
                             (2**32 - 1, EIO), (13, EIO)]:
            upstream.error = theirs
            client.request(0, 0, 512, cookie=theirs)
            assert client.simple_reply() == (ours, theirs), theirs
        upstream.error = 0


def info(stage):
    """The block sizes that a client is told, or the error."""
    with stage.raw() as client:
        client.client_flags()
        client.option(6, struct.pack(">I", 3) + b"vda" + struct.pack(">HH", 1,
                                                                     3))
        while True:
            _, kind, data = client.option_reply()
            if kind & 0x80000000:
                return kind
            if data[:2] == b"\0\3":
                return struct.unpack(">III", data[2:])


def block_sizes(stage, upstream):
    upstream.blocks = (512, 65536, MIB)
    assert info(stage) == (512, 65536, 32 * MIB)
    with stage.raw() as client:
        client.go()
        for offset, length in (1, 512), (0, 511), (513, 1023):
            client.request(0, offset, length, cookie=offset)
            assert client.simple_reply() == (EINVAL, offset), offset
    with stage.raw() as client:
        client.go(structured=True, contexts=(b"base:allocation",))
        client.request(7, 1, 512)
        _, kind, _, data = client.chunk()
        assert kind == 0x8001 and data[:4] == struct.pack(">I", EINVAL), data
    upstream.blocks = (1, 64 * MIB, 2**32 - 1)
    assert info(stage) == (1, 32 * MIB, 32 * MIB)
    for bad in [(3, 4096, MIB), (1, 256, MIB), (131072, 131072, MIB),
                (1, 4096, 2048), (0, 0, 0), (4096, 512, MIB)]:
        upstream.blocks = bad
        assert info(stage) == 0x80000007, bad


def largest_read(stage, upstream):
    """A read is cut into what the server takes."""
    upstream.blocks = (512, 4096, 100000)
    upstream.reads.clear()
    with stage.raw() as client:
        client.go()
        client.request(0, 0, 4 * MIB, cookie=7)
        assert client.simple_reply() == (0, 7)
        assert client.get(4 * MIB) == bytes(4 * MIB)
    assert max(upstream.reads) <= 100000, max(upstream.reads)
    assert sum(upstream.reads) == 4 * MIB
    assert all(n % 512 == 0 for n in upstream.reads), upstream.reads


def test(t):
    stage = Stage(t)
    upstream = PlayedUpstream(t, stage.view)
    stage.write_routes()
    stage.start_gateway()
    errors(stage, upstream)
    block_sizes(stage, upstream)
    largest_read(stage, upstream)


main(test)
