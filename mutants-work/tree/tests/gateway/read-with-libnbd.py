#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Python's nbd module: both contexts together on one connection, random reads
in flight, one extent only, simple replies, refused requests."""

import errno

import nbd

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import DIRTY, Stage


def connect(stage, structured=True, contexts=("base:allocation", DIRTY)):
    h = nbd.NBD()
    h.set_request_structured_replies(structured)
    h.set_strict_mode(0)
    for context in contexts:
        h.add_meta_context(context)
    h.connect_uri(stage.uri())
    return h


def check_contexts(stage):
    h = connect(stage)
    found = {}

    def note(context, offset, entries, _):
        found[context] = list(entries)

    h.block_status(16 * MIB, 0, note)
    assert found[DIRTY] == [MIB + 65536, 0, 131072, 1,
                            4 * MIB - 196608, 0, 65536, 1,
                            11 * MIB - 65536, 0], found
    assert sum(found["base:allocation"][0::2]) == 16 * MIB
    assert found["base:allocation"][:4] == [MIB, 3, 2 * MIB, 0], found
    found.clear()
    h.block_status(131072, MIB + 65536, note, nbd.CMD_FLAG_REQ_ONE)
    assert found == {"base:allocation": [131072, 0], DIRTY: [131072, 1]}, found
    # One extent only, and not beyond the request.
    found.clear()
    h.block_status(16 * MIB, 0, note, nbd.CMD_FLAG_REQ_ONE)
    assert found == {"base:allocation": [MIB, 3],
                     DIRTY: [MIB + 65536, 0]}, found
    for length, offset in (0, 0), (1, 16 * MIB), (16 * MIB, 1):
        try:
            h.block_status(length, offset, note)
        except nbd.Error as error:
            assert error.errnum == errno.EINVAL, error
        else:
            raise AssertionError("a bad block status was answered")
    h.shutdown()


def check_reads(stage, rng, structured):
    h = connect(stage, structured)
    assert h.get_structured_replies_negotiated() == structured
    content = stage.content()
    pending = []
    for _ in range(500):
        length = rng.choice([1, 511, 512, 4096, 16384, 16385, 70000, 300000])
        offset = rng.randrange(len(content) - length + 1)
        buffer = nbd.Buffer(length)
        pending.append((h.aio_pread(buffer, offset), buffer, offset, length))
        while h.aio_in_flight() > 100:
            h.poll(-1)
    for cookie, buffer, offset, length in pending:
        while not h.aio_command_completed(cookie):
            h.poll(-1)
        assert buffer.to_bytearray() == content[offset:offset + length]
    whole = h.pread(len(content), 0)
    assert whole == content
    try:
        h.pread(512, len(content) - 511)
    except nbd.Error as error:
        assert error.errnum == errno.EINVAL, error
    else:
        raise AssertionError("a read beyond the end succeeded")
    h.shutdown()


def check_mixed(stage):
    """Replies of both threads of a connection do not mix."""
    h = connect(stage)
    h.set_strict_mode(0)
    with open(stage.image(), "rb") as f:
        content = f.read(4 * MIB)
    buffers, cookies = [], []
    for i in range(300):
        buffers.append(nbd.Buffer(300000))
        cookies.append(h.aio_pread(buffers[-1], i * 1000))
        cookies.append(h.aio_flush())
        if i % 10 == 0:
            cookies.append(h.aio_block_status(MIB, i, lambda *_: 0))
        while h.aio_in_flight() > 60:
            h.poll(-1)
    for cookie in cookies:
        while not h.aio_command_completed(cookie):
            h.poll(-1)
    for i, buffer in enumerate(buffers):
        assert buffer.to_bytearray() == content[i * 1000:i * 1000 + 300000]
    h.shutdown()


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    generator = t.random
    stage.start()
    check_contexts(stage)
    check_mixed(stage)
    check_reads(stage, generator, True)
    check_reads(stage, generator, False)


main(test)
