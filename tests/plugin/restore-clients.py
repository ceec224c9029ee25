#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Stock clients write a disk back by role=restore, into files of odd sizes and a block
device, over one and several connections: byte by byte what they read."""

import os
import subprocess

from pullbacktest import MIB, main, need_programs, run, same
from pullbacktest.restoreside import loop_device, restore_plugin


def scattered(t, path, size):
    """A disk with data, zeros and holes."""
    with open(path, "wb") as f:
        f.truncate(size)
        for _ in range(12):
            offset = t.random.randrange(size)
            f.seek(offset)
            length = min(t.random.randrange(1, 300000), size - offset)
            f.write(t.random.randbytes(length) if t.random.random() < 0.7
                    else bytes(length))


def old_content(t, path, size):
    with open(path, "wb") as f:
        f.write(t.random.randbytes(size))


def by_nbdcopy(*options):
    return lambda source, server: run("nbdcopy", "--flush", *options, source,
                                      server.uri("vda"))


def by_convert(*options):
    return lambda source, server: run(
        "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", *options,
        source, server.uri("vda"))


def by_hand(source, server):
    handle = server.connect("vda")
    with open(source, "rb") as f:
        offset = 0
        while data := f.read(1000003):
            handle.pwrite(data, offset)
            offset += len(data)
    handle.flush()


CLIENTS = {
    "nbdcopy": by_nbdcopy(),
    "nbdcopy, one connection": by_nbdcopy("--connections=1"),
    "nbdcopy, allocated": by_nbdcopy("--allocated"),
    "nbdcopy, requests of 8 MiB": by_nbdcopy(f"--request-size={8 * MIB}"),
    "qemu-img convert": by_convert(),
    "qemu-img convert, out of order": by_convert("-W", "-m", "8", "-S", "0"),
    "Python's nbd": by_hand,
}


def check(t, name, source, target):
    size = os.path.getsize(source)
    socket = t.path("sock")
    if os.path.exists(socket):
        os.unlink(socket)
    server = restore_plugin(t, socket, {"vda": target})
    handle = server.connect("vda")
    assert handle.get_size() == size, handle.get_size()
    assert not handle.is_read_only() and handle.can_multi_conn()
    assert handle.can_flush() and handle.can_fua() and handle.can_trim()
    assert handle.can_zero() and handle.can_fast_zero()
    CLIENTS[name](source, server)
    server.end()
    copy = t.path("copy")
    subprocess.run(["dd", f"if={target}", f"of={copy}", "bs=1M",
                    "status=none"], check=True)
    same(source, copy, f"{name} to {target}")


def test(t):
    need_programs("nbdkit", "nbdcopy", "qemu-img")
    source, target = t.path("source"), t.path("target")
    for size in (16 * MIB + 512, 3 * MIB + 1000):
        scattered(t, source, size)
        for name in CLIENTS:
            if size % 512 and "qemu-img" in name:
                continue        # it rounds up to whole sectors
            old_content(t, target, size)
            check(t, name, source, target)
    scattered(t, source, 8 * MIB)
    old_content(t, target, 8 * MIB)
    with loop_device(target) as device:
        for name in CLIENTS:
            check(t, name, source, device)


main(test)
