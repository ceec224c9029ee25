#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Large reads go upstream in pieces, and the client gets what it asked for:
one run of bytes in a simple reply or if it wants no fragments, else chunks that
cover the read once.  A piece that fails is an error of the read; in the middle
of a simple reply the connection is cut."""

import struct

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import PlayedUpstream

SIZE = 48 * MIB
READ, DF = 0, 4
EIO = 5
PIECE_MAX = MIB


def receive(client, asked):
    """Takes one reply off a structured client: returns (cookie, errors)."""
    flags, kind, cookie, data = client.chunk()
    state = asked[cookie]
    if kind == 1:
        offset = struct.unpack(">Q", data[:8])[0]
        state["chunks"].append((offset, data[8:]))
    elif kind == 0x8001:
        state["errors"].append(struct.unpack(">I", data[:4])[0])
    else:
        assert kind == 0 and not data and flags & 1, (kind, flags)
    return cookie, flags & 1


def join(chunks, offset, length):
    """The bytes of the read; every one must be there once."""
    data = bytearray(length)
    at = offset
    for start, piece in sorted(chunks):
        assert start == at, (start, at)
        data[start - offset:start - offset + len(piece)] = piece
        at += len(piece)
    assert at == offset + length, (at, offset, length)
    return bytes(data)


def structured(stage, rng, content):
    with stage.raw() as client:
        client.go(structured=True)
        asked = {}
        for cookie in range(40):
            length = rng.choice([1, 511, 4096, 65536, 300000, 3 * MIB,
                                 rng.randrange(1, 8 * MIB)])
            offset = rng.randrange(SIZE - length + 1)
            flags = rng.choice([0, 0, DF])
            asked[cookie] = {"offset": offset, "length": length, "chunks": [],
                             "flags": flags, "errors": []}
            client.request(READ, offset, length, flags=flags, cookie=cookie)
        left = set(asked)
        while left:
            cookie, done = receive(client, asked)
            assert cookie in left, cookie
            if done:
                left.discard(cookie)
        for read in asked.values():
            assert not read["errors"]
            offset, length = read["offset"], read["length"]
            assert join(read["chunks"], offset, length) == \
                content[offset:offset + length], read["flags"]
            if read["flags"] & DF:
                assert len(read["chunks"]) == 1
            elif length >= 3 * MIB:
                assert len(read["chunks"]) > 1


def simple(stage, rng, content):
    with stage.raw() as client:
        client.go()
        asked = {}
        for cookie in range(40):
            length = rng.choice([1, 4096, 300000, 3 * MIB,
                                 rng.randrange(1, 8 * MIB)])
            asked[cookie] = (rng.randrange(SIZE - length + 1), length)
            client.request(READ, *asked[cookie], cookie=cookie)
        while asked:
            error, cookie = client.simple_reply()
            assert error == 0
            offset, length = asked.pop(cookie)
            assert client.get(length) == content[offset:offset + length]


def pieces(stage, log):
    """Nothing larger than a piece goes upstream."""
    with open(log, encoding="utf-8") as f:
        counts = [int(word[6:], 16) for line in f if " Read " in line
                  for word in line.split() if word.startswith("count=")]
    assert len(counts) > 80 and max(counts) <= PIECE_MAX, max(counts)


def failing(stage, upstream):
    upstream.error, upstream.error_from = EIO, 5 * MIB
    with stage.raw() as client:
        client.go(structured=True)
        for flags in 0, DF:
            asked = {cookie: {"chunks": [], "errors": []}
                     for cookie in range(3)}
            client.request(READ, 0, 16 * MIB, flags=flags, cookie=0)
            client.request(READ, 6 * MIB, 8 * MIB, flags=flags, cookie=1)
            client.request(READ, 0, 4 * MIB, flags=flags, cookie=2)
            left = set(asked)
            while left:
                cookie, done = receive(client, asked)
                assert cookie in left, cookie
                if done:
                    left.discard(cookie)
            assert asked[0]["errors"] == asked[1]["errors"] == [EIO], flags
            assert not asked[2]["errors"]
            assert join(asked[2]["chunks"], 0, 4 * MIB) == bytes(4 * MIB)
            if flags & DF:
                assert len(asked[0]["chunks"]) == 1
                assert not asked[1]["chunks"]
    with stage.raw() as client:
        client.go()
        # Nothing was sent yet: an error; and the connection goes on.
        client.request(READ, 6 * MIB, 8 * MIB, cookie=1)
        assert client.simple_reply() == (EIO, 1)
        client.request(READ, 0, 16 * MIB, cookie=2)
        client.request(READ, 0, 512, cookie=3)
        assert client.simple_reply() == (0, 2)
        got = 0
        try:
            while True:
                got += len(client.s.recv(MIB) or client.get(1))
        except (EOFError, ConnectionError):
            pass
        assert got <= 5 * MIB, got


def good_server(t):
    stage = Stage(t)
    generator = t.random
    stage.make_disk(SIZE)
    with open(stage.image(), "r+b") as f:
        for start in range(0, SIZE, 3 * MIB):
            f.seek(start)
            f.write(generator.randbytes(2 * MIB))
    content = stage.content()
    log = stage.path("requests")
    stage.start_upstream("--filter=log", f"logfile={log}")
    stage.write_routes()
    stage.start_gateway()
    structured(stage, generator, content)
    simple(stage, generator, content)
    pieces(stage, log)
    stage.end_gateway()
    stage.upstream.end()


def failing_server(t):
    stage = Stage(t)
    upstream = PlayedUpstream(t, stage.view)
    stage.write_routes()
    stage.start_gateway()
    failing(stage, upstream)


def test(t):
    need_programs("nbdkit")
    good_server(t)
    failing_server(t)


main(test)
