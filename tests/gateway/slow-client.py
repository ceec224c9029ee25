#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: sanitizers
# mark: slow
"""A client that takes its answer slowly is at work, and does not have to make
room for a new one, even when the gateway has sent all of it."""

import select

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage

PEER_MAX = 128
ANSWER = 128 << 10              # a socket holds it
PIECE = 8 << 10
PAUSE = 0.45                    # longer than a client may idle, all together


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk()
    stage.start_upstream("-t", "1")
    stage.write_routes()
    stage.start_gateway()
    # The others wait for more than a socket holds: they need not go.
    for _ in range(PEER_MAX - 1):
        waiting = stage.raw()
        waiting.go()
        waiting.request(0, 0, 2 * MIB)
    slow = stage.raw()
    slow.go()
    slow.request(0, MIB, ANSWER)
    assert slow.simple_reply() == (0, 1)
    for _ in range(ANSWER // PIECE):
        slow.get(PIECE)
        try:
            stage.raw().close()
            raise AssertionError("there is a place")
        except (EOFError, ConnectionError):
            pass
        select.select([], [], [], PAUSE)
    slow.request(0, MIB, 512, cookie=2)
    assert slow.simple_reply() == (0, 2)
    slow.get(512)


main(test)
