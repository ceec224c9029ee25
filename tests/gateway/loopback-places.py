#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""A client has no more places for using several of this machine's own
addresses."""

import struct

from pullbacktest import main, need_programs, wait_until
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import RawClient

PEER_MAX = 128


def connect(t, port, source):
    client = RawClient.tcp(port, source)
    t.defer(client.close)
    client.go()
    return client


def comes_in(t, port, source):
    try:
        connect(t, port, source)
        return True
    except (EOFError, ConnectionError, struct.error):
        return False


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk()
    stage.start_upstream("-t", "1")
    stage.write_routes()
    stage.start_gateway("--tcp", "0")
    number = stage.tcp_port()
    clients = []
    for i in range(PEER_MAX):
        clients.append(connect(t, number, f"127.0.0.{2 + i % 2}"))
    # The first one is idle for longer than the others, by more than a tick.
    for client in clients[1:]:
        client.request(0, 0, 4096)
        assert client.simple_reply() == (0, 1)
        client.get(4096)
    # Its own oldest one goes, when it has been idle for long enough.
    wait_until(lambda: comes_in(t, number, "127.0.0.4"), 30,
               "no place instead of an idle one")
    assert clients[0].is_cut()


main(test)
