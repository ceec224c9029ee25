#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""In front of a view that shares memory with it the gateway gets no payload over
its socket, and clients get the right bytes, however they ask: many at once, some
of them deaf.  View or gateway killed amid reads: clients are cut off, those that
come again are served, and no memory is left.  A view that gives no memory is
served from over the socket."""

import contextlib
import os
import select
import socket
import threading

from pullbacktest import MIB, main, need_programs, nbdcopy, run, same
from pullbacktest.fleece import write_store
from pullbacktest.gateway import Stage
from pullbacktest.nbdserver import nbdkit
from pullbacktest.outcome import wait_until
from pullbacktest.pacefile import FIXED, write_pace, write_word
from pullbacktest.processes import kill

SIZE = 24 * MIB + 512
CLIENTS = 100
# Of a connection that has not been given more, see gateway-budget.h; and what all
# may have beyond that.
LEAST, SPARE = MIB // 2, 128 * MIB


class Counted:
    """A relay between gateway and view that counts what the view sends."""

    def __init__(self, t, path, to):
        self.sent = 0
        self.to = to
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()
        t.defer(lambda: self.listener.shutdown(socket.SHUT_RDWR))

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self.relay, args=(near,),
                                 daemon=True).start()

    def relay(self, near):
        far = socket.socket(socket.AF_UNIX)
        with near, far, contextlib.suppress(OSError):
            far.connect(self.to)
            while True:
                for s in select.select([near, far], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    (far if s is near else near).sendall(data)
                    self.sent += len(data) * (s is far)


class MemoryStage(Stage):
    """The upstream server is our view."""

    def __init__(self, t):
        super().__init__(t)
        self.memory = self.path("view.mem")
        self.pace = self.path("pace")
        self.old = t.random.randbytes(SIZE)
        with open(self.image(), "wb") as f:
            f.write(self.old)
        write_store(self.folder, "vda", SIZE)
        write_pace(self.pace)
        self.write_routes()

    def start_view(self, *more, socket_path=None):
        path = socket_path or self.view
        if os.path.exists(path):
            os.unlink(path)
        self.upstream = nbdkit(self.t, path, "role=view",
                               "fleece=" + self.folder, *more,
                               "limit=" + self.pace, "disk=vda",
                               "direct=" + self.image(),
                               options=("--threads=4",))

    def write_pace(self, rate):
        write_word(self.pace, FIXED, rate)

    def read_as_asked(self, client, offset, length, structured, flags=0):
        client.request(0, offset, length, flags=flags)
        want = self.old[offset:offset + length]
        if not structured:
            assert client.simple_reply() == (0, 1)
            assert client.get(length) == want
            return
        got, done = bytearray(length), False
        while not done:
            chunk_flags, kind, _, data = client.chunk()
            assert kind in (0, 1), kind
            done = chunk_flags & 1
            if kind == 1:
                at = int.from_bytes(data[:8], "big") - offset
                got[at:at + len(data) - 8] = data[8:]
        assert got == want


def memory_of(pid):
    """(memories, bytes that they take)"""
    found, names = [], []
    with contextlib.suppress(FileNotFoundError):
        names = os.listdir(f"/proc/{pid}/fd")
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            path = f"/proc/{pid}/fd/{name}"
            if os.readlink(path).startswith("/memfd:pullback"):
                found.append(os.stat(path).st_blocks * 512)
    return len(found), sum(found)


def mapped(pid):
    with open(f"/proc/{pid}/maps", encoding="ascii") as f:
        return sum("memfd:pullback" in line for line in f)


def no_payload_on_the_socket(t, stage):
    behind = stage.path("behind.sock")
    stage.start_view("memory=" + stage.memory, socket_path=behind)
    counted = Counted(t, stage.view, behind)
    stage.start_gateway("--memory", stage.memory)
    nbdcopy(stage.uri(), stage.path("copy"), "--connections=2")
    same(stage.path("copy"), stage.image(), "the copy")
    t.say(f"{SIZE} bytes were read, {counted.sent} came over the socket")
    assert counted.sent < SIZE // 100, counted.sent
    for structured in False, True:
        with stage.raw() as client:
            client.go(structured=structured)
            for offset, length, flags in ((0, SIZE, 0), (1, 511, 0),
                                          (SIZE - 1, 1, 0),
                                          (MIB - 7, 5 * MIB, 4),
                                          (12345, MIB, 0)):
                stage.read_as_asked(client, offset, length, structured,
                                    flags if structured else 0)
    stage.end_gateway()
    wait_until(lambda: memory_of(stage.upstream.pid)[0] == 0, 20,
               "memory is left")
    os.unlink(stage.view)


def deaf_and_many(t, stage):
    stage.start_gateway("--memory", stage.memory)
    deaf = []
    for _ in range(CLIENTS):
        client = stage.raw()
        deaf.append(client)
        client.go()
        for cookie in range(4):
            client.request(0, cookie * MIB, 4 * MIB, cookie=cookie)
    with stage.raw() as client:
        client.go()
        for i in range(50):
            stage.read_as_asked(client, i * 1000, 100000 + i, False)
    count, taken = memory_of(stage.upstream.pid)
    t.say(f"{count} memories of {taken >> 10} KiB")
    assert count >= CLIENTS and taken <= CLIENTS * LEAST + SPARE
    # What they take in the end is right all the same.
    for client in deaf[::9]:
        for cookie in range(4):
            assert client.simple_reply() == (0, cookie)
            assert client.get(4 * MIB) == \
                stage.old[cookie * MIB:(cookie + 4) * MIB], cookie
    for client in deaf:
        client.close()
    wait_until(lambda: memory_of(stage.upstream.pid)[0] == 0 ==
               mapped(stage.gateway.pid), 60, "memory is left")


def reads_and_checks(stage):
    with stage.raw() as client:
        client.go()
        stage.read_as_asked(client, 5, 3 * MIB, False)


def amid_reads(stage, act):
    """ACT while a client waits for data."""
    stage.write_pace(MIB)
    with stage.raw() as client:
        client.go()
        for cookie in range(16):
            client.request(0, cookie * MIB, MIB, cookie=cookie)
        assert client.simple_reply()[0] == 0
        act()
        assert client.is_cut()
    stage.write_pace(0)


def killed(stage):
    amid_reads(stage, stage.upstream.kill)
    wait_until(lambda: mapped(stage.gateway.pid) == 0, 20, "memory is left")
    stage.start_view("memory=" + stage.memory)
    reads_and_checks(stage)
    # A gateway that is killed may take nbdkit 1.32 with it: see the top of
    # gateway-transmission.c.  The daemon starts the view again.
    stage.upstream.killed = True
    amid_reads(stage, lambda: kill(stage.gateway.pid))
    stage.gateway.wait()
    stage.gateway = None
    wait_until(lambda: stage.upstream.process.poll() is not None or
               memory_of(stage.upstream.pid)[0] == 0, 30, "memory is left")
    os.unlink(stage.socket)
    stage.upstream.kill()
    stage.start_view("memory=" + stage.memory)
    stage.start_gateway("--memory", stage.memory)
    reads_and_checks(stage)
    stage.end_gateway()
    stage.upstream.kill()


def without(t, stage):
    stage.start_view()
    stage.start_gateway("--memory", stage.memory, "--verbose")
    reads_and_checks(stage)
    assert 'there is no memory for "vda"' in stage.log(), stage.log()
    stage.end_gateway()
    if os.geteuid() == 0:
        said = run("pullback-gateway", "--routes", stage.routes, "--tcp", "0",
                   "--user", "nobody", "--memory", "/elsewhere/view.mem",
                   check=False)
        assert said.returncode == 1 and "not in the folder" in said.stderr


def test(t):
    need_programs("nbdkit", "nbdcopy")
    stage = MemoryStage(t)
    no_payload_on_the_socket(t, stage)
    stage.upstream.kill()
    stage.start_view("memory=" + stage.memory)
    deaf_and_many(t, stage)
    killed(stage)
    without(t, stage)


main(test)
