# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the gateway's tests share: a real upstream server (nbdkit's file
plugin, one export per file; the allocation of the sparse file vda@dirty is
the dirty map), the gateway in front of it, and a raw NBD client."""

import contextlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

DEADLINE = 30
DIRTY = "qemu:dirty-bitmap:backup-vda"
MIB = 1 << 20


def skip(sentence):
    print("SKIP:", sentence)
    sys.exit(77)


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            skip(f"{program} is not installed")


def seed():
    """Prints the seed of a random test and starts the generator."""
    value = int(os.environ.get("SEED") or time.time_ns() % 10**9)
    print(f"SEED={value}", flush=True)
    return random.Random(value)


def wait_for(what, condition, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timeout waiting for {what}")


def listens(path):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(path)
        except OSError:
            return False
    return True


def output(*argv, rc=0):
    """Runs a client; returns its standard output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                          timeout=120, check=False)
    assert done.returncode == rc, f"{argv}: status {done.returncode}"
    return done.stdout


def failure(*argv, env=None, pass_fds=()):
    """Runs the gateway with bad input; returns its one sentence."""
    done = subprocess.run(argv, stderr=subprocess.PIPE, text=True, timeout=30,
                          check=False, env=env, pass_fds=pass_fds)
    lines = [line for line in done.stderr.splitlines()
             if "listening on" not in line]
    assert done.returncode == 1, (argv, done.returncode, lines)
    assert len(lines) == 1 and lines[0].startswith(
        "pullback-gateway: error: "), (argv, lines)
    return lines[0]


def sparse(path, size, pieces, rng):
    """A file of SIZE bytes with random data at PIECES [(offset, length)]."""
    with open(path, "wb") as f:
        f.truncate(size)
        for offset, length in pieces:
            f.seek(offset)
            f.write(rng.randbytes(length))


class Stage(contextlib.ExitStack):
    """A folder with images, upstream server and gateway; leaves nothing."""

    def __init__(self):
        super().__init__()
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = tempfile.mkdtemp(prefix="gateway-test-", dir=base)
        self.callback(shutil.rmtree, self.folder)
        self.images = self.path("images")
        os.mkdir(self.images)
        self.view = self.path("view.sock")
        self.socket = self.path("front.sock")
        self.routes = self.path("routes.json")
        self.upstream = self.gateway = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def image(self, name="vda"):
        return os.path.join(self.images, name)

    def make_disk(self, size=16 * MIB, rng=None, name="vda"):
        """A disk with holes, and a dirty map that is a part of it."""
        rng = rng or random.Random(1)
        sparse(self.image(name), size,
               [(MIB, 2 * MIB), (5 * MIB, 65536), (size - 65536, 65536)], rng)
        sparse(self.image(name + "@dirty"), size,
               [(MIB + 65536, 131072), (5 * MIB, 65536)], rng)

    def start_upstream(self, *extra):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.view)
        self.upstream = subprocess.Popen(
            ["nbdkit", "-f", "-U", self.view, "file",
             f"dir={self.images}", *extra])
        self.callback(self.end_upstream)
        wait_for("the upstream server", lambda: listens(self.view))

    def end_upstream(self):
        """Ends the upstream server, which nothing may have killed before."""
        process, self.upstream = self.upstream, None
        if process is not None:
            early = process.poll()
            self.stop(process)
            assert early is None, f"the upstream server died: {early}"

    def kill_upstream(self):
        process, self.upstream = self.upstream, None
        process.kill()
        process.wait()

    def write_routes(self, names=("vda",)):
        exports = []
        for name in names:
            exports.append({
                "name": name, "upstream": name,
                "description": f"disk {name}",
                "contexts": [{"name": f"qemu:dirty-bitmap:backup-{name}",
                              "upstream": f"{name}@dirty"}]})
            exports.append({"name": f"{name}@dirty",
                            "upstream": f"{name}@dirty",
                            "description": "", "contexts": []})
        with open(self.routes, "w", encoding="utf-8") as f:
            json.dump({"upstream": self.view, "exports": exports}, f)

    def start_gateway(self, *extra):
        log = open(self.path("log"), "wb")
        self.gateway = subprocess.Popen(
            ["pullback-gateway", "--routes", self.routes, "--unix",
             self.socket, *extra], stderr=log)
        log.close()
        self.callback(self.end_gateway)
        wait_for("the gateway",
                 lambda: self.gateway.poll() is not None
                 or listens(self.socket))
        assert self.gateway.poll() is None, self.log()

    def start(self, *extra):
        self.make_disk()
        self.start_upstream()
        self.write_routes()
        self.start_gateway(*extra)
        return self

    def log(self):
        with open(self.path("log"), encoding="utf-8") as f:
            return f.read()

    def tcp_port(self):
        def told():
            return [int(line.rsplit(":", 1)[1])
                    for line in self.log().splitlines()
                    if "listening on 127.0.0.1:" in line]
        return wait_for("a TCP port", told)[0]

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
        return process.wait(DEADLINE)

    def end_gateway(self):
        """Ends the gateway, which must be alive, end well and leave nothing."""
        process, self.gateway = self.gateway, None
        if process is None:
            return
        early = process.poll()
        status = self.stop(process)
        assert early is None, f"the gateway died: {early}: {self.log()}"
        assert status == 0, f"status {status}: {self.log()}"
        assert not os.path.exists(self.socket), "the socket is still there"

    def uri(self, export="vda"):
        return f"nbd+unix:///{export}?socket={self.socket}"

    def raw(self):
        return RawClient(self.socket)

    def map(self, context, export="vda", uri=None):
        text = output("nbdinfo", "--json", f"--map={context}",
                      uri or self.uri(export))
        return [(e["offset"], e["length"], e["type"])
                for e in json.loads(text)]


def same_bytes(a, b):
    return subprocess.run(["cmp", a, b], check=False).returncode == 0


class PlayedUpstream:
    """A server that answers reads of zeros from one place on with an error."""

    def __init__(self, path, size=16 * MIB):
        self.size = size
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


class RawClient:
    """Speaks NBD by hand, so that it can also speak it badly."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(DEADLINE)
        self.s.connect(path)
        magic, opts, self.flags = struct.unpack(">QQH", self.get(18))
        assert (magic, opts) == (0x4E42444D41474943, 0x49484156454F5054)

    def __enter__(self):
        return self

    def __exit__(self, *_):
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
