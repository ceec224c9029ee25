#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The upstream server killed: its clients are cut off, the gateway lives, says
so to new clients, and works again once the server is back."""

import struct

from pullbacktest import MIB, main, need_programs, run, same
from pullbacktest.gateway import Stage

CONTEXTS = (b"base:allocation",)


def test(t):
    need_programs("nbdkit", "nbdcopy")
    stage = Stage(t)
    stage.start()
    idle, busy, asking = stage.raw(), stage.raw(), stage.raw()
    for client in idle, busy:
        client.go()
    asking.go(structured=True, contexts=CONTEXTS)
    asking.request(7, 0, MIB)
    assert asking.chunk()[1] == 5
    for i in range(100):
        busy.request(0, MIB, 65536, cookie=i)
    assert busy.simple_reply()[0] == 0
    stage.upstream.kill()
    for client in idle, busy, asking:
        assert client.is_cut()
    with stage.raw() as client:
        client.client_flags()
        client.option(7, struct.pack(">I", 3) + b"vda\0\0")
        _, kind, text = client.option_reply()
        assert kind == 0x80000007, hex(kind)
        assert b"upstream server does not answer" in text, text
        # The same connection, once the server is back.
        stage.start_upstream()
        client.option(7, struct.pack(">I", 3) + b"vda\0\0")
        assert client.option_reply()[1] == 3
    copy = stage.path("copy")
    run("nbdcopy", stage.uri(), copy)
    same(copy, stage.image(), "the copy")
    # An export that only the routes know.
    stage.end_gateway()
    stage.write_routes(["vda", "vdz"])
    stage.start_gateway()
    with stage.raw() as client:
        client.client_flags()
        client.option(7, struct.pack(">I", 3) + b"vdz\0\0")
        assert client.option_reply()[1] == 0x80000006


main(test)
