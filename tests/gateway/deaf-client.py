#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: sanitizers
# mark: slow
"""A client that takes nothing of a reply is cut off when its time is up; a slow
one that takes a little now and then gets all of it.  At SIGTERM a client still
gets what it asked for."""

import select
import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage

LIMIT = 3


def deaf(stage):
    """Two of them: one waits for data, one for block status."""
    with stage.raw() as reader, stage.raw() as asker:
        reader.go()
        reader.request(0, 0, 16 * MIB)
        asker.go(structured=True, contexts=(b"base:allocation",))
        for client in reader, asker:
            client.s.settimeout(0.1)
        try:
            while True:
                asker.s.sendall(b"".join(asker.packed(7, 0, 16 * MIB)
                                         for _ in range(1000)))
        except TimeoutError:
            pass
        # Not a byte is taken meanwhile; a socket that is cut says so.
        for client in reader, asker:
            poll = select.poll()
            poll.register(client.s, select.POLLRDHUP)
            assert poll.poll(30000), "not cut off"
            client.s.settimeout(30)
            got = 0
            try:
                while True:
                    got += len(client.get(1))
                    got += len(client.s.recv(MIB))
            except (EOFError, ConnectionError):
                pass
            assert got < 16 * MIB, got


def slow(stage):
    with stage.raw() as client:
        client.go()
        client.request(0, 0, 16 * MIB)
        assert client.simple_reply() == (0, 1)
        left = 16 * MIB
        started = time.monotonic()
        # A bit at a time until the limit is long over, then the rest.
        while time.monotonic() - started < 2 * LIMIT:
            left -= len(client.get(65536))
            select.select([], [], [], LIMIT / 10)
        client.get(left)


def gets_what_it_asked_for(stage):
    with stage.raw() as client:
        client.go()
        for cookie in range(8):
            client.request(0, 0, MIB, cookie=cookie)
        for number in range(8):
            assert client.simple_reply()[0] == 0
            if number == 0:
                stage.gateway.terminate()
            client.get(MIB)
        assert client.is_cut()
    stage.wait_for_the_end()


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.start("--send-limit", str(LIMIT))
    deaf(stage)
    slow(stage)
    gets_what_it_asked_for(stage)


main(test)
