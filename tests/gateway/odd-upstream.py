#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an upstream server says is not handed on where the protocol does not
allow it: error numbers, block sizes.  The server is played, as a real one
cannot be made to say such things."""

import contextlib
import socket
import struct
import threading

from gatewaytest import MIB, Stage

SIZE = 16 * MIB
EIO, ENOMEM, EINVAL = 5, 12, 22


class Upstream:
    """Answers every read with `error`, or with zeros."""

    def __init__(self, path):
        self.blocks = (1, 4096, 32 * MIB)
        self.error = 0
        self.reads = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.threads = []
        self.accepting = threading.Thread(target=self.accept)
        self.accepting.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.serve,
                                                     args=(s,)))
                self.threads[-1].start()

    def serve(self, s):
        with s, contextlib.suppress(EOFError, ConnectionError):
            self.converse(s)

    @staticmethod
    def get(s, length):
        data = b""
        while len(data) < length:
            data += s.recv(length - len(data)) or Upstream.end()
        return data

    @staticmethod
    def end():
        raise EOFError

    def converse(self, s):
        s.sendall(struct.pack(">QQH", 0x4E42444D41474943, 0x49484156454F5054,
                              3))
        self.get(s, 4)
        _, option, length = struct.unpack(">QII", self.get(s, 16))
        self.get(s, length)
        assert option == 7, option

        def reply(kind, data=b""):
            s.sendall(struct.pack(">QIII", 0x3E889045565A9, 7, kind,
                                  len(data)) + data)

        reply(3, struct.pack(">HQH", 0, SIZE, 3))
        reply(3, struct.pack(">HIII", 3, *self.blocks))
        reply(1)
        while True:
            _, _, kind, cookie, _, length = struct.unpack(">IHHQQI",
                                                          self.get(s, 28))
            if kind == 2:
                return
            self.reads.append(length)
            s.sendall(struct.pack(">IIQ", 0x67446698, self.error, cookie)
                      + (b"" if self.error else bytes(length)))


def errors(stage, upstream):
    with stage.raw() as client:
        client.go()
        for theirs, ours in [(EIO, EIO), (ENOMEM, ENOMEM), (116, EIO),
                             (2**32 - 1, EIO), (13, EIO)]:
            upstream.error = theirs
            client.request(0, 0, 512, cookie=theirs)
            assert client.simple_reply() == (ours, theirs), theirs
        upstream.error = 0


def info(stage):
    """The block sizes that a client is told, or the error."""
    with stage.raw() as client:
        client.client_flags()
        client.option(6, struct.pack(">I", 3) + b"vda" + struct.pack(">HH", 1,
                                                                     3))
        while True:
            _, kind, data = client.option_reply()
            if kind & 0x80000000:
                return kind
            if data[:2] == b"\0\3":
                return struct.unpack(">III", data[2:])


def block_sizes(stage, upstream):
    upstream.blocks = (512, 65536, MIB)
    assert info(stage) == (512, 65536, 32 * MIB)
    with stage.raw() as client:
        client.go()
        for offset, length in (1, 512), (0, 511), (513, 1023):
            client.request(0, offset, length, cookie=offset)
            assert client.simple_reply() == (EINVAL, offset), offset
    upstream.blocks = (1, 64 * MIB, 2**32 - 1)
    assert info(stage) == (1, 32 * MIB, 32 * MIB)
    for bad in [(3, 4096, MIB), (1, 256, MIB), (131072, 131072, MIB),
                (1, 4096, 2048), (0, 0, 0), (4096, 512, MIB)]:
        upstream.blocks = bad
        assert info(stage) == 0x80000007, bad


with Stage() as stage:
    upstream = Upstream(stage.view)
    stage.callback(upstream.close)
    stage.write_routes()
    stage.start_gateway()
    errors(stage, upstream)
    block_sizes(stage, upstream)
