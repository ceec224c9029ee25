#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: fuzz
"""Random and half-right bytes to pullback-gateway: it must live on, serve a
good client, and keep no descriptor.  FUZZ_SECONDS says how long."""

import json
import os
import socket
import struct
import subprocess
import time

from pullbacktest import main, need, wait_until
from pullbacktest.clients import open_nbd

IHAVEOPT = 0x49484156454F5054
REQUEST = 0x25609513
SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))


def start(t):
    upstream, public = t.path("u"), t.path("g")
    server = subprocess.Popen(
        ["nbdkit", "-f", "-U", upstream, "memory", "4M"],
        stdin=subprocess.DEVNULL)
    t.defer(server.wait)
    t.defer(server.terminate)
    wait_until(lambda: os.path.exists(upstream), 10, "nbdkit did not start")
    routes = {"upstream": upstream, "exports": [
        {"name": "vda", "upstream": "", "description": "a disk",
         "contexts": [{"name": "qemu:dirty-bitmap:backup-vda",
                       "upstream": ""}]}]}
    with open(t.path("routes.json"), "w") as stream:
        json.dump(routes, stream)
    gateway = subprocess.Popen(
        ["pullback-gateway", "--routes", t.path("routes.json"), "--unix",
         public], stdin=subprocess.DEVNULL)
    t.defer(gateway.wait)
    t.defer(gateway.terminate)
    wait_until(lambda: os.path.exists(public), 10, "no gateway")
    return gateway, public


def text(random):
    return random.choice((
        b"", b"vda", b"nosuch", b"v" * 5000, b"\xff\0/^@", b"vda@dirty",
        random.randbytes(random.randrange(64))))


def counted(data):
    return struct.pack(">I", len(data)) + data


def option(random):
    kind = random.choice((1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 77, 1 << 31))
    if kind in (6, 7):
        body = counted(text(random)) + struct.pack(">HH", 1,
                                                   random.randrange(9))
    elif kind in (9, 10):
        names = [random.choice((b"base:allocation", b"qemu:",
                                b"qemu:dirty-bitmap:", text(random)))
                 for _ in range(random.randrange(5))]
        body = counted(text(random)) + struct.pack(
            ">I", random.choice((len(names), 0, 1 << 31)))
        body += b"".join(map(counted, names))
    else:
        body = text(random)
    length = len(body)
    if random.random() < 0.1:
        length = random.choice((0, length + 1, 1 << 20, (1 << 32) - 1))
    return struct.pack(">QII", IHAVEOPT, kind, length) + body


def request(random):
    return struct.pack(
        ">IHHQQI", REQUEST if random.random() < 0.95 else 1,
        random.choice((0, 0, 1, 2, 8, 65535)),
        random.choice((0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 65535)),
        random.getrandbits(64),
        random.choice((0, 512, 4 << 20, (1 << 64) - 1, 1 << 63,
                       random.randrange(4 << 20))),
        random.choice((0, 1, 512, 65536, 1 << 25, (1 << 32) - 1)))


def conversation(random):
    parts = [struct.pack(">I", random.choice((3, 3, 3, 1, 0, 1 << 31)))]
    if random.random() < 0.5:
        parts.append(struct.pack(">QII", IHAVEOPT, 8, 0))
    if random.random() < 0.5:
        parts += [option(random) for _ in range(random.randrange(6))]
    if random.random() < 0.7:
        go = counted(b"vda") + struct.pack(">H", 0)
        parts.append(struct.pack(">QII", IHAVEOPT, 7, len(go)) + go)
        parts += [request(random) for _ in range(random.randrange(8))]
    data = bytearray(b"".join(parts))
    for _ in range(random.choice((0, 0, 0, 1, 5))):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data[:random.randrange(len(data) + 1)]
                 if random.random() < 0.2 else data)


def talk(public, data):
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(0.02)
        link.connect(public)
        try:
            link.sendall(data)
            while link.recv(65536):
                pass
        except OSError:
            pass


def descriptors(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def fuzz(t):
    gateway, public = start(t)
    uri = f"nbd+unix:///vda?socket={public}"
    open_nbd(uri).shutdown()
    before = descriptors(gateway)
    count, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = conversation(t.random)
        talk(public, data)
        count += 1
        need(gateway.poll() is None, f"the gateway died of {data!r}")
        if count % 200 == 0:
            handle = open_nbd(uri)
            need(handle.pread(512, 0) == bytes(512), "wrong bytes")
            handle.shutdown()
    wait_until(lambda: descriptors(gateway) <= before, 20, lambda:
               f"{descriptors(gateway)} descriptors, were {before}")
    t.say(f"{count} conversations")


main(fuzz)
