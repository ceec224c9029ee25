#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-differ may be killed, or told to end, at any moment: what it has written is
right, the rest is as it was, and the next run finishes.  It says how far it is, each
second; nobody needs to listen."""

import json
import os
import pty
import re
import signal
import socket
import subprocess

from pullbacktest import MIB, kill, main, need, need_programs, wait_until
from pullbacktest.differ import (BLOCK, changed, make_equal, random_disk,
                                 requests, same_bytes, serve, write_sparse)

SIZE = 64 * MIB
# Of the slow target's reads and writes.
RATE = "64M"


class Stage:
    """Each run has servers of its own: nbdkit 1.32 may end when a client is killed."""

    def __init__(self, t):
        self.t = t
        self.n = 0
        self.source = random_disk(t.random, SIZE, 300)
        self.target = changed(t.random, self.source, 200)
        write_sparse(t.path("source"), self.source)
        write_sparse(t.path("target"), self.target)

    def serve(self, *filters):
        self.n += 1
        self.log = self.t.path(f"requests{self.n}")
        self.servers = (
            serve(self.t, f"s{self.n}", "file", self.t.path("source")),
            serve(self.t, f"t{self.n}", "--filter=log", *filters[:1], "file",
                  self.t.path("target"), *filters[1:], "logfile=" + self.log))
        return [server.uri("") for server in self.servers]

    def begin(self, *words, out=subprocess.PIPE):
        return self.t.start("pullback-differ", "--connections=1", *words,
                            *self.serve("--filter=rate", "rate=" + RATE),
                            text=True, stdout=out, stderr=subprocess.PIPE)

    def writes(self):
        return sum(kind == "Write" for kind, _ in requests(self.log))

    def wait_writes(self, n):
        """Until so many more have been asked for."""
        before = self.writes()
        wait_until(lambda: self.writes() >= before + n, 60, "nothing is written")

    def look(self, what):
        """Each block is the source's, or as it was.  Returns how many are left."""
        left = 0
        with open(self.t.path("target"), "rb") as stream:
            there = stream.read()
        for offset in range(0, SIZE, BLOCK):
            block = there[offset:offset + BLOCK]
            if block != self.source[offset:offset + BLOCK]:
                need(block == self.target[offset:offset + BLOCK],
                     f"{what}: block {offset} is neither")
                left += 1
        return left


def killed(stage):
    process = stage.begin()
    stage.wait_writes(5)
    kill(process.pid)
    process.communicate()
    for server in stage.servers:
        server.killed = True
    need(stage.look("killed") > 0, "it was done before it was killed")


def told(stage, number):
    path = stage.t.path("status")
    process = stage.begin("--progress=json", "--status", path)
    stage.wait_writes(5)
    process.send_signal(number)
    out, said = process.communicate(timeout=20)
    need(process.returncode == 1, f"status {process.returncode}: {said}")
    counts = json.loads(out.splitlines()[-1])
    need(counts["state"] == "stopped" and counts["total"] == SIZE and
         counts["done"] < SIZE, f"{counts}")
    want = (rf"stopped by a signal while it compared: {counts['done']} of {SIZE} "
            "bytes are equal, and nothing else was changed; run this again, which "
            "finishes it")
    need(re.search(want, said), said)
    with open(path, encoding="utf-8") as stream:
        status = json.load(stream)
    need(re.search(want, status.pop("reason")) and status == counts,
         f"{status}, not {counts}")
    need(stage.look("stopped") > 0, "it was done before it was stopped")


def mute(t):
    """It is told to end while a server that says nothing is being opened."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(t.path("mute"))
        server.listen()
        uri = f"nbd+unix:///?socket={t.path('mute')}"
        process = t.start("pullback-differ", uri, uri, text=True,
                          stderr=subprocess.PIPE)
        link, _ = server.accept()
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[1]
        link.close()
    need(process.returncode == 1 and
         "stopped by a signal while the source was being opened" in said, said)


def on_terminal(stage):
    """People see lines that take each other's place, and the last one stays."""
    ours, its = pty.openpty()
    process = stage.begin("--progress", out=its)
    os.close(its)
    text = b""
    while True:
        try:
            text += os.read(ours, 4096)
        except OSError:             # nobody has the other side any more
            break
    os.close(ours)
    need(process.wait(60) == 0, process.stderr.read())
    lines = text.decode().replace("\r\n", "\n").split("\r")
    need(len(lines) > 2 and all(" of 64.0 MiB (" in line for line in lines[1:-1]),
         f"{lines}")
    need(lines[-1].startswith("\033[Kequal: 64.0 MiB of 64.0 MiB (100 %)") and
         lines[-1].endswith("/s\n"), f"{lines}")


def deaf(stage):
    """Whoever reads its standard output has stopped."""
    ours, its = os.pipe()
    process = stage.begin("--progress=json", out=its)
    os.close(its)
    while True:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(ours, 1)
        counts = json.loads(line)
        if counts["done"] > 0:
            break
    need(counts["state"] == "comparing" and 0 < counts["done"] < SIZE and
         counts["rate"] > 0, f"{counts}")
    os.close(ours)
    need(process.wait(120) == 0, process.stderr.read())


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    killed(stage)
    told(stage, signal.SIGTERM)
    told(stage, signal.SIGINT)
    mute(t)
    deaf(stage)
    on_terminal(stage)
    same_bytes(t.path("target"), stage.source, "the last run")
    counts = make_equal(*stage.serve(), "--verify")
    need(counts["written"] == counts["differing"] == 0, f"{counts}")


main(test)
