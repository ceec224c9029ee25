#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A read that fails upstream fails for the client, and the connection goes
on.  nbdkit's error filter fails reads while a file is there."""

import os
import struct

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage

EIO = 5


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk()
    trigger = stage.path("fail")
    stage.start_upstream("--filter=error", "error-pread=EIO",
                         "error-pread-rate=100%", f"error-file={trigger}")
    stage.write_routes()
    stage.start_gateway()
    for structured in False, True:
        with stage.raw() as client:
            client.go(structured=structured)
            with open(trigger, "w", encoding="ascii"):
                pass
            client.request(0, MIB, 65536, cookie=1)
            if structured:
                flags, kind, cookie, data = client.chunk()
                assert (flags, kind, cookie) == (1, 0x8001, 1)
                assert data[:4] == struct.pack(">I", EIO), data
            else:
                assert client.simple_reply() == (EIO, 1)
            os.unlink(trigger)
            client.request(0, MIB, 8, cookie=2)
            if structured:
                assert client.chunk()[1:3] == (1, 2)
            else:
                assert client.simple_reply() == (0, 2)
                client.get(8)


main(test)
