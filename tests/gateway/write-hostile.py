#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Bad writes are refused by the protocol's errors, and nothing of them is written; a
client that dies amid a payload costs its own connection only, and nothing that it has
not sent is written."""

import os

from pullbacktest import MIB, main, need_programs
from pullbacktest.fleece import GRANULE
from pullbacktest.restoreside import WriteStage, restore_plugin

SIZE = 40 * MIB
WRITE, FLUSH, TRIM, ZERO = 1, 3, 4, 6
EPERM, EINVAL, ENOSPC = 1, 22, 28
NO_HOLE, DF, ONE, FAST = 2, 4, 8, 16


def start(t, options=(), more=()):
    stage = WriteStage(t)
    targets = {name: stage.path(name) for name in ("vda", "fixed")}
    for path in targets.values():
        with open(path, "wb") as f:
            f.write(bytes([1]) * SIZE)
    stage.upstream = restore_plugin(t, stage.view, targets,
                                    options=("-t", "4", *options),
                                    more=more)
    stage.start_writable(targets, server=stage.view, readonly=("fixed",))
    return stage, targets


def answer(client, structured):
    if not structured:
        return client.simple_reply()
    flags, kind, cookie, data = client.chunk()
    assert flags == 1 and kind in (0, 0x8001), (flags, hex(kind))
    return int.from_bytes(data[:4], "big") if kind else 0, cookie


def refusals(client, structured):
    def refused(error, command, offset, length, flags=0):
        data = b"x" * length if command == WRITE else b""
        client.request(command, offset, length, flags, 5, data=data)
        assert answer(client, structured) == (error, 5), \
            (command, offset, length, flags)

    for command in WRITE, ZERO:
        refused(ENOSPC, command, SIZE - 4096, 4097)
        refused(ENOSPC, command, SIZE, 1)
        refused(ENOSPC, command, (1 << 64) - 4096, 8192)
    refused(EINVAL, TRIM, SIZE - 4096, 4097)
    for flag in NO_HOLE, DF, ONE, FAST, 32, 1 << 15:
        refused(EINVAL, WRITE, MIB, 4096, flag)
        refused(EINVAL, TRIM, MIB, 4096, flag)
        refused(EINVAL, FLUSH, 0, 0, flag)
        if flag not in (NO_HOLE, FAST):
            refused(EINVAL, ZERO, MIB, 4096, flag)
    refused(EINVAL, WRITE, 0, 32 * MIB + 1)


def check_refusals(t):
    stage, targets = start(t)
    for structured in False, True:
        with stage.raw() as client:
            size, flags = client.go(structured=structured)
            assert size == SIZE and flags & 0x96D == 0x96D, hex(flags)
            assert flags & 2 == 0, "it is announced as read-only"
            refusals(client, structured)
            client.request(FLUSH, cookie=6)
            assert answer(client, structured) == (0, 6)
        with stage.raw() as client:
            _, flags = client.go(b"fixed", structured=structured)
            assert flags & 2, "it is not announced as read-only"
            for command, data in (WRITE, b"x" * 70000), (ZERO, b""), (TRIM, b""):
                client.request(command, MIB, 70000, cookie=7, data=data)
                assert answer(client, structured) == (EPERM, 7)
    assert stage.written() == set(), "what was refused is noted as written"
    for path in targets.values():
        with open(path, "rb") as f:
            assert f.read() == bytes([1]) * SIZE, f"{path} was written"
    with stage.raw() as client:
        client.go()
        client.request(WRITE, 0, 64 * MIB + 1)
        assert client.is_cut()


def check_alignment(t):
    stage, targets = start(t, ("--filter=blocksize-policy",),
                           ("blocksize-minimum=4096",
                            "blocksize-preferred=4096",
                            "blocksize-maximum=1M"))
    with stage.raw() as client:
        client.go()
        for offset, length in (512, 4096), (4096, 512):
            client.request(WRITE, offset, length, cookie=3, data=b"x" * length)
            assert client.simple_reply() == (EINVAL, 3)
            client.request(ZERO, offset, length, cookie=4)
            assert client.simple_reply() == (EINVAL, 4)
        client.request(WRITE, 4096, 8192, cookie=5, data=b"y" * 8192)
        assert client.simple_reply() == (0, 5)
        # In pieces, as upstream takes no more than 1 MiB.
        client.request(WRITE, 4096, 9 * MIB, cookie=6, data=b"z" * 9 * MIB)
        assert client.simple_reply() == (0, 6)
    with open(targets["vda"], "rb") as f:
        data = f.read()
    end = 4096 + 9 * MIB
    assert data == b"\1" * 4096 + b"z" * 9 * MIB + b"\1" * (SIZE - end)
    assert stage.written() == set(range(end // GRANULE + 1))


def check_cut(t):
    """At many places of its payload; LENGTH is of one piece, or of several."""
    stage, targets = start(t)
    for length in (100000, 6 * MIB):
        for sent in sorted({0, 1, 868, 869, length // 2, length - 1}
                           | {t.random.randrange(length) for _ in range(4)}):
            with stage.raw() as client:
                client.go()
                client.request(WRITE, 8 * MIB, length, cookie=1,
                               data=bytes([2]) * sent)
        with open(targets["vda"], "rb") as f:
            data = f.read()
        assert data[:8 * MIB] == bytes([1]) * (8 * MIB)
        # The second has whole pieces of what was sent, and all of them.
        whole = data[8 * MIB:8 * MIB + length - 1].rstrip(b"\1")
        assert not whole.strip(b"\2"), "what nobody has sent is written"
        assert length > MIB or not whole, "a part of a piece is written"
        assert data[8 * MIB + length - 1:].strip(b"\1") == b""
    with stage.raw() as client:
        client.go()
        client.request(WRITE, 0, GRANULE, cookie=1, data=bytes(GRANULE))
        assert client.simple_reply() == (0, 1)
    assert stage.upstream.process.poll() is None, "the upstream server died"


def check_crumbs(t):
    """A payload that comes in crumbs, each of which takes a page of a pipe."""
    stage, targets = start(t)
    data = t.random.randbytes(300000)
    with stage.raw() as client:
        client.go()
        for _ in range(2):
            client.put(client.packed(WRITE, MIB + 5, len(data)))
            for start_at in range(0, len(data), 100):
                client.put(data[start_at:start_at + 100])
            assert client.simple_reply() == (0, 1)
            with open(targets["vda"], "rb") as f:
                f.seek(MIB + 5)
                assert f.read(len(data)) == data
            data = data[::-1]


def test(t):
    need_programs("nbdkit")
    check_refusals(t)
    if os.system("nbdkit --filter=blocksize-policy null --dump-plugin "
                 ">/dev/null 2>&1") == 0:
        check_alignment(t)
    check_cut(t)
    check_crumbs(t)


main(test)
