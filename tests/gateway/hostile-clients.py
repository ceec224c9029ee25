#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that breaks the protocol, or only stops reading, costs nobody but
itself: a well-behaved one reads all the time."""

import socket
import struct
import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import DIRTY, Stage

EINVAL = 22
CONTEXTS = (b"base:allocation", DIRTY.encode())


def bad_handshakes(stage):
    def attempt(flags, *options):
        with stage.raw() as client:
            client.client_flags(flags)
            for number, data, length in options:
                client.option(number, data, length)
            client.s.shutdown(socket.SHUT_WR)
            assert client.is_cut()

    attempt(0xFFFFFFFF)
    attempt(3, (7, b"", 0xFFFFFFFF))
    attempt(3, (7, b"", 100))
    attempt(3, (1, b"x" * 5000, None))
    attempt(0, (3, b"", None))
    with stage.raw() as client:
        client.client_flags()
        client.put(b"GET / HTTP/1.0\r\n\r\n")
        assert client.is_cut()
    # Malformed data of an option is refused, and the next option works.
    with stage.raw() as client:
        client.client_flags()
        for number, data in [(6, b""), (7, b"\xff\xff\xff\xff"),
                             (7, struct.pack(">I", 3) + b"vda\0\2\0\0"),
                             (9, struct.pack(">I", 3) + b"vda\xff\xff\xff\xff"),
                             (3, b"x"), (8, b"x"), (5, b"x")]:
            client.option(number, data)
            assert client.option_reply()[1] == 0x80000003, number
        client.option(6, struct.pack(">I", 5000) + b"y" * 5000 + b"\0\0")
        assert client.option_reply()[1] == 0x80000006
        client.option(9, b"z" * 100000)
        assert client.option_reply()[1] == 0x80000009
        client.option(2)
        assert client.option_reply()[1] == 1


def contexts_of_another_export(stage):
    with stage.raw() as client:
        client.client_flags()
        client.option(8)
        client.option_reply()
        other = b"vda@dirty"
        client.option(10, struct.pack(">I", len(other)) + other
                      + struct.pack(">II", 1, 15) + b"base:allocation")
        assert client.option_reply()[1] == 4
        assert client.option_reply()[1] == 1
        client.option(7, struct.pack(">I", 3) + b"vda\0\0")
        while client.option_reply()[1] != 1:
            pass
        client.request(7, 0, 65536)
        _, kind, _, data = client.chunk()
        assert kind == 0x8001 and data[:4] == struct.pack(">I", EINVAL)


def bad_requests(stage):
    with stage.raw() as client:
        size, _ = client.go()
        for offset, length in [(size, 1), (size - 1, 2), (2**64 - 1, 1),
                               (2**64 - 1, 2**32 - 1), (0, 33 * MIB),
                               (2**63, 512)]:
            client.request(0, offset, length, cookie=offset)
            assert client.simple_reply() == (EINVAL, offset), offset
        client.request(0, 0, 512, flags=0xFFF0)
        assert client.simple_reply() == (EINVAL, 1)
        client.request(0, 0, 512, magic=0x25609514)
        assert client.is_cut()
    # It is the gateway that refuses, not only the upstream server.
    with stage.raw() as client:
        client.go(structured=True, contexts=CONTEXTS)
        for command in 0, 7:
            client.request(command, 2**64 - 1, 65536)
            _, kind, _, data = client.chunk()
            assert kind == 0x8001 and b"beyond the end" in data, data
        client.request(0, 0, 32 * MIB + 1)
        assert b"beyond the end" in client.chunk()[3]
    with stage.raw() as client:
        client.go()
        client.request(1, 0, 2**32 - 1)
        assert client.is_cut()
    # The same cookie for all of them.
    with stage.raw() as client:
        client.go()
        client.put(300 * struct.pack(">IHHQQI", 0x25609513, 0, 0, 7, MIB, 4096))
        for _ in range(300):
            assert client.simple_reply() == (0, 7)
            client.get(4096)


def deaf_clients(stage):
    """Ask for much, read nothing."""
    clients = []
    for structured in False, True:
        client = stage.raw()
        client.go(structured=structured, contexts=CONTEXTS if structured
                  else ())
        for i in range(200):
            client.s.setblocking(False)
            try:
                client.s.send(struct.pack(">IHHQQI", 0x25609513, 0,
                                          7 * (i % 2 and structured), i, 0,
                                          8 * MIB))
            except BlockingIOError:
                break
        clients.append(client)
    return clients


def noise(stage, rng, rounds):
    """Random bytes into a valid transmission stream."""
    for _ in range(rounds):
        with stage.raw() as client:
            client.go(structured=True, contexts=CONTEXTS)
            data = bytearray()
            for i in range(20):
                data += struct.pack(">IHHQQI", 0x25609513, 0,
                                    rng.choice([0, 0, 3, 7]), i,
                                    rng.randrange(16 * MIB),
                                    rng.randrange(65536))
            for _ in range(rng.randrange(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            client.put(bytes(data))
            client.s.shutdown(socket.SHUT_WR)
            assert client.is_cut()


def vanishing_clients(stage, rng, rounds):
    """Ask for much, read a little, vanish: upstream must not notice."""
    for _ in range(rounds):
        with stage.raw() as client:
            client.go()
            client.put(b"".join(
                struct.pack(">IHHQQI", 0x25609513, 0, 0, i,
                            rng.randrange(8 * MIB),
                            rng.choice([512, 65536, 300000]))
                for i in range(rng.randrange(1, 100))))
            client.s.recv(rng.randrange(1, 100000))


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    generator = t.random
    stage.start()
    with open(stage.image(), "rb") as f:
        f.seek(MIB)
        content = f.read(2 * MIB)
    good = stage.raw()
    good.go()

    def good_still_reads():
        good.request(0, MIB, 2 * MIB, cookie=9)
        assert good.simple_reply() == (0, 9)
        assert good.get(2 * MIB) == content

    good_still_reads()
    bad_handshakes(stage)
    good_still_reads()
    contexts_of_another_export(stage)
    bad_requests(stage)
    good_still_reads()
    deaf = deaf_clients(stage)
    good_still_reads()
    vanishing_clients(stage, generator, 200)
    good_still_reads()
    noise(stage, generator, 200)
    good_still_reads()
    stage.gateway.terminate()
    started = time.monotonic()
    stage.wait_for_the_end()
    assert time.monotonic() - started < 20, "deaf clients delay the end"


main(test)
