#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A TCP client that has read fast and then stops reading makes the kernel keep
little for it."""

import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import DEADLINE, RawClient

CLIENTS = 8
MOST = MIB


def connect(t, port):
    client = RawClient.tcp(port)
    t.defer(client.close)
    client.go()
    return client


def read_then_stop(client):
    client.request(0, 0, 32 * MIB)
    assert client.simple_reply() == (0, 1)
    buffer = bytearray(MIB)
    left = 32 * MIB
    while left > 0:
        n = client.s.recv_into(buffer, min(left, MIB))
        assert n > 0
        left -= n
    for _ in range(4):
        client.request(0, 0, 32 * MIB)


def unsent(port):
    """Bytes that each of the gateway's sockets holds."""
    found = []
    with open("/proc/net/tcp", encoding="ascii") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == port and fields[3] == "01":
                found.append(int(fields[4].split(":")[0], 16))
    return found


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk(32 * MIB)
    stage.start_upstream("-t", "1")
    stage.write_routes()
    stage.start_gateway("--tcp", "0")
    number = stage.tcp_port()
    for _ in range(CLIENTS):
        one = connect(t, number)
        read_then_stop(one)
    # Until it is full: all hold something, and no longer more and more.
    end = time.monotonic() + DEADLINE
    before, held = None, unsent(number)
    while (before != held or not all(held)) and time.monotonic() < end:
        time.sleep(1)
        before, held = held, unsent(number)
    t.say(f"bytes held: {held}")
    assert len(held) == CLIENTS and all(held), held
    assert max(held) <= MOST, held


main(test)
