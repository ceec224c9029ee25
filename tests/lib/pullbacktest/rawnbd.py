# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD spoken by hand, as client and as server, so that it can be spoken
badly."""

import contextlib
import socket
import struct
import threading
import time

from .clients import MIB

DEADLINE = 60


class RawClient:
    """Speaks NBD by hand, so that it can also speak it badly."""

    def __init__(self, link):
        self.s = link
        magic, opts, self.flags = struct.unpack(">QQH", self.get(18))
        assert (magic, opts) == (0x4E42444D41474943, 0x49484156454F5054)

    @classmethod
    def unix(cls, path):
        link = socket.socket(socket.AF_UNIX)
        return cls._greeted(link, lambda: link.connect(path))

    @classmethod
    def tcp(cls, port, source="127.0.0.1"):
        """SOURCE: the client's own address."""
        link = socket.socket()
        link.bind((source, 0))
        return cls._greeted(link, lambda: link.connect(("127.0.0.1", port)))

    @classmethod
    def _greeted(cls, link, connect):
        link.settimeout(DEADLINE)
        try:
            connect()
            return cls(link)
        except BaseException:
            link.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.s.close()

    def get(self, length):
        data = b""
        while len(data) < length:
            piece = self.s.recv(length - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def is_cut(self):
        """Has the gateway closed the connection (within the deadline)?"""
        try:
            while self.s.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def put(self, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.s.sendall(data)

    def client_flags(self, flags=3):
        self.put(struct.pack(">I", flags))

    def option(self, number, data=b"", length=None):
        length = len(data) if length is None else length
        self.put(struct.pack(">QII", 0x49484156454F5054, number, length)
                 + data)

    def option_reply(self):
        magic, number, kind, length = struct.unpack(">QIII", self.get(20))
        assert magic == 0x3E889045565A9
        return number, kind, self.get(length)

    def go(self, name=b"vda", structured=False, contexts=()):
        """From the greeting to transmission; returns (size, flags)."""
        self.client_flags()
        text = struct.pack(">I", len(name)) + name
        if structured:
            self.option(8)
            assert self.option_reply()[1] == 1
        if contexts:
            data = text + struct.pack(">I", len(contexts))
            for context in contexts:
                data += struct.pack(">I", len(context)) + context
            self.option(10, data)
            while self.option_reply()[1] == 4:
                pass
        self.option(7, text + struct.pack(">H", 0))
        size = flags = None
        while True:
            _, kind, data = self.option_reply()
            if kind == 1:
                return size, flags
            assert kind == 3, hex(kind)
            if data[:2] == b"\0\0":
                size, flags = struct.unpack(">QH", data[2:])

    @staticmethod
    def packed(command, offset=0, length=0, flags=0, cookie=1,
               magic=0x25609513):
        return struct.pack(">IHHQQI", magic, flags, command, cookie, offset,
                           length)

    def request(self, command, offset=0, length=0, flags=0, cookie=1,
                magic=0x25609513, data=b""):
        self.put(self.packed(command, offset, length, flags, cookie, magic)
                 + data)

    def simple_reply(self):
        magic, error, cookie = struct.unpack(">IIQ", self.get(16))
        assert magic == 0x67446698, hex(magic)
        return error, cookie

    def chunk(self):
        magic, flags, kind, cookie, length = struct.unpack(">IHHQI",
                                                           self.get(20))
        assert magic == 0x668E33EF, hex(magic)
        return flags, kind, cookie, self.get(length)


class PlayedUpstream:
    """A server that answers reads of zeros from one place on with an error.  LATE: seconds
    that it takes to greet a client."""

    def __init__(self, t, path, size=16 * MIB, late=0):
        self.size, self.late = size, late
        self.blocks = (1, 4096, 32 * MIB)
        self.error = 0
        self.error_from = 0
        self.reads = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.threads = []
        self.accepting = threading.Thread(target=self.accept)
        self.accepting.start()
        t.defer(self.close)

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
            data += s.recv(length - len(data)) or PlayedUpstream.end()
        return data

    @staticmethod
    def end():
        raise EOFError

    def converse(self, s):
        time.sleep(self.late)
        s.sendall(struct.pack(">QQH", 0x4E42444D41474943, 0x49484156454F5054,
                              3))
        self.get(s, 4)
        _, option, length = struct.unpack(">QII", self.get(s, 16))
        self.get(s, length)
        assert option == 7, option

        def reply(kind, data=b""):
            s.sendall(struct.pack(">QIII", 0x3E889045565A9, 7, kind,
                                  len(data)) + data)

        reply(3, struct.pack(">HQH", 0, self.size, 3))
        reply(3, struct.pack(">HIII", 3, *self.blocks))
        reply(1)
        while True:
            _, _, kind, cookie, offset, length = struct.unpack(
                ">IHHQQI", self.get(s, 28))
            if kind == 2:
                return
            self.reads.append(length)
            error = self.error if offset >= self.error_from else 0
            s.sendall(struct.pack(">IIQ", 0x67446698, error, cookie)
                      + (b"" if error else bytes(length)))
