# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD clients that mean no good, in numbers: handshakes that break the protocol in
many ways, and connections that do nothing.  CONNECT is a function that returns a
connected socket."""

import contextlib
import socket
import struct

MAGIC = 0x49484156454F5054
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def option(number, data, length=None):
    return struct.pack(">QII", MAGIC, number,
                       len(data) if length is None else length) + data


def malformed(random):
    """What one such client sends: the flags first, mostly."""
    good = option(3, b"") + option(8, b"")
    name = struct.pack(">I", 3) + b"vda"
    flags = random.choice((b"\0\0\0\3",) * 6 + (b"\xff" * 4, b"\0\0", b""))
    rest = random.choice((
        random.randbytes(random.randrange(200)),
        b"GET / HTTP/1.0\r\n\r\n",
        TLS_HELLO,
        struct.pack(">QII", random.getrandbits(64), 7, 0),
        option(7, b"", (1 << 32) - 1),
        option(7, b"short", 100),
        option(1, b"x" * 5000),
        option(7, name + b"\xff\xff" + b"\0" * random.randrange(40)),
        option(10, name + struct.pack(">I", 1 << 31)),
        option(random.getrandbits(32), random.randbytes(40)),
        option(9, random.randbytes(70000)),
        option(7, name + b"\0\0") + random.randbytes(200),
    ))
    return flags + random.choice((b"", good)) + rest


def handshakes(connect, random, count=1000):
    """COUNT malformed handshakes, one after the other; how many of them the
    gateway has cut off or answered to the end (all, if it is well)."""
    ended = 0
    for _ in range(count):
        with contextlib.suppress(ConnectionError), connect() as link:
            link.settimeout(30)
            with contextlib.suppress(ConnectionError):
                link.sendall(malformed(random))
                link.shutdown(socket.SHUT_WR)
            try:
                while link.recv(65536):
                    pass
            except TimeoutError:
                continue
            except ConnectionError:
                pass
        ended += 1
    return ended


class Idlers:
    """COUNT connections that do nothing at all; the gateway may close some."""

    def __init__(self, t, connect, count=200):
        self.links = []
        t.defer(self.close)
        for _ in range(count):
            self.links.append(connect())

    def close(self):
        while self.links:
            self.links.pop().close()
