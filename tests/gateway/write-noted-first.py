#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""What is to be written is noted before the upstream server has it: while that is held,
the map says so and the disk is as it was.  An export without its map, or with one of
another size, is not served."""

import os
import signal

from pullbacktest import MIB, kill, main, need_programs, wait_until
from pullbacktest.fleece import GRANULE, write_map
from pullbacktest.gateway import gateway_refuses
from pullbacktest.restoreside import WriteStage

SIZE = 16 * MIB
WRITE, TRIM, ZERO = 1, 4, 6


def granules(offset, length):
    return set(range(offset // GRANULE, (offset + length - 1) // GRANULE + 1))


def check_order(t, command, offset, length):
    stage = WriteStage(t)
    target = stage.path("vda")
    with open(target, "wb") as f:
        f.write(bytes([1]) * SIZE)
    stage.start_writable({"vda": target})
    with stage.raw() as client:
        client.go()
        client.s.setblocking(False)
        kill(stage.upstream.pid, signal.SIGSTOP)
        try:
            data = b"\2" * length if command == WRITE else b""
            # Of a long one the gateway takes no more than upstream does.
            client.s.send(client.packed(command, offset, length) + data)
            wait_until(lambda: stage.written() == granules(offset, length), 20,
                       "it is not noted while the upstream server is held")
            with open(target, "rb") as f:
                assert f.read() == bytes([1]) * SIZE
        finally:
            kill(stage.upstream.pid, signal.SIGCONT)


def test(t):
    need_programs("nbdkit")
    check_order(t, WRITE, 3 * GRANULE + 7, GRANULE)
    check_order(t, WRITE, 5 * MIB, 8 * MIB)
    check_order(t, ZERO, 3 * MIB - 1, 2)
    check_order(t, TRIM, 3 * GRANULE, 9 * GRANULE)
    stage = WriteStage(t)
    stage.write_writable_routes({"vda": "target"})
    words = ("--routes", stage.routes, "--unix", stage.socket)
    gateway_refuses(t, *words, saying=["writable", "--written"])
    gateway_refuses(t, *words, "--written", stage.folder,
                    saying=["vda.written", "No such file"])
    target = stage.path("vda")
    with open(target, "wb") as f:
        f.truncate(SIZE)
    stage.start_writable({"vda": target})
    stage.end_gateway()
    os.unlink(stage.path("vda.written"))
    write_map(stage.path("vda.written"), SIZE - 1)
    stage.start_gateway("--written", stage.folder)
    with stage.raw() as client:
        client.client_flags()
        client.option(7, b"\0\0\0\3vda\0\0")
        _, kind, data = client.option_reply()
        assert kind >> 31 and b"another size" in data, (kind, data)


main(test)
