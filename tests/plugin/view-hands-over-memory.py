#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The view reads into memory that it shares with one connection: the right bytes
where they are wanted, from store and image, and nothing else; memory that nobody
can make shorter, or write to but the view, and that no other connection has; an
error where there is no such place, where old data was lost, and where no memory
is given."""

import errno
import fcntl
import mmap
import os
import socket
import struct

from pullbacktest import main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, set_broken, write_map, write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.outcome import wait_until

MIB = 1 << 20
BYTES = 4 * MIB
PAGE = 4096
SIZE = 3 * MIB + 512
OFFSET_BITS = 53
PULLMEM = 0x70756C6C6D656D31


def take(path, number):
    """(a mapping, its descriptor, the disk's size)"""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(path)
        s.sendall(struct.pack("=Q", number))
        data, fds, _, _ = socket.recv_fds(s, 24, 1)
    if not data:
        return None
    magic, size, disk = struct.unpack("=QQQ", data)
    assert (magic, size) == (PULLMEM, BYTES), data
    return mmap.mmap(fds[0], BYTES, mmap.MAP_SHARED, mmap.PROT_READ), \
        fds[0], disk


class Connection:
    def __init__(self, stage, export="vda"):
        self.handle = self.connect(stage.view, export + "/memory")
        self.number = int(self.handle.get_export_description())
        self.memory, self.fd, disk = take(stage.memory, self.number)
        assert disk == SIZE, disk

    @staticmethod
    def connect(view, export):
        import nbd
        handle = nbd.NBD()
        handle.set_strict_mode(0)
        handle.set_full_info(True)
        handle.connect_uri(view.uri(export))
        view.handles.append(handle)
        return handle

    def read(self, slot, offset, length):
        self.handle.cache(length, slot // PAGE << OFFSET_BITS | offset)
        return self.memory[slot:slot + length]


class Stage:
    def __init__(self, t):
        self.t = t
        self.folder = t.folder
        self.old = t.random.randbytes(SIZE)
        self.memory = self.path("view.mem")
        stored = t.random.randbytes(GRANULE)
        write_store(self.folder, "vda", SIZE, {3: stored})
        with open(self.path("image"), "wb") as f:
            f.write(self.old)
        at = 3 * GRANULE
        self.frozen = self.old[:at] + stored + self.old[at + GRANULE:]
        for kind in "consumed", "counted":
            write_map(self.path("vda." + kind), SIZE)
        self.view = self.start("sock")

    def start(self, name):
        return nbdkit(self.t, self.path(name), "role=view",
                      "fleece=" + self.folder, "memory=" + self.memory,
                      "consume=yes", "disk=vda", "direct=" + self.path("image"))

    def path(self, name):
        return os.path.join(self.folder, name)


def reads(stage):
    one, two = Connection(stage), Connection(stage)
    for slot, offset, length in ((0, 0, MIB), (BYTES - PAGE, SIZE - 600, 600),
                                 (PAGE, 3 * GRANULE - 1000, GRANULE + 2000),
                                 (MIB, 777, 1000), (2 * MIB, 0, 2 * MIB)):
        got = one.read(slot, offset, length)
        assert got == stage.frozen[offset:offset + length], (slot, offset)
    # Only what was asked for was written to, and only this memory.
    before = one.memory[:]
    one.read(MIB, 0, 1000)
    assert one.memory[:MIB] == before[:MIB]
    assert one.memory[MIB + 1000:] == before[MIB + 1000:]
    assert two.memory[:] == bytes(BYTES)
    assert one.handle.get_size() == (1 << 63) - 1


def refuses(stage):
    one = Connection(stage)
    for slot, offset, length in ((0, SIZE, 1), (0, SIZE - 1, 2),
                                 (BYTES - PAGE, 0, PAGE + 1),
                                 (0, 1 << 52, 512)):
        fails(errno.EINVAL, lambda s=slot, o=offset, n=length:
              one.read(s, o, n))
    # What an honest gateway does not ask for.
    for offset in 0, SIZE, 1 << 45:
        fails(errno.EINVAL, lambda o=offset: one.handle.pread(512, o))
    fails(errno.EINVAL, lambda: one.handle.trim(GRANULE, 1 << 45))
    for number in 0, 1 << 40:
        assert take(stage.memory, number) is None
    fails(errno.ENOENT, lambda: stage.view.connect("vdz/memory"))
    fails(errno.ENOENT, lambda: stage.view.connect("vda/other"))
    # What is not such an export has nothing to do with it.
    plain = stage.view.connect("vda")
    assert plain.get_size() == SIZE and not plain.can_cache()


def another_view_has_other_numbers(stage):
    """The number of one that was killed leads nowhere."""
    one = Connection(stage)
    stage.view.end()
    stage.view = stage.start("another")
    others = [Connection(stage).number for _ in range(20)]
    assert one.number not in others, one.number
    assert take(stage.memory, one.number) is None


def is_sealed(stage):
    one = Connection(stage)
    one.read(0, 0, 512)
    for attempt in (lambda: os.ftruncate(one.fd, 0),
                    lambda: os.ftruncate(one.fd, 2 * BYTES),
                    lambda: os.pwrite(one.fd, b"x", 0),
                    lambda: mmap.mmap(one.fd, BYTES),
                    lambda: fcntl.fcntl(one.fd, fcntl.F_ADD_SEALS, 0)):
        try:
            attempt()
            raise AssertionError("the memory can be changed")
        except OSError as error:
            assert error.errno in (errno.EPERM, errno.EACCES), error
    assert one.memory[:512] == stage.frozen[:512]


def memories(stage):
    """How many the view holds."""
    folder = f"/proc/{stage.view.pid}/fd"
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(f"{folder}/{name}"))
        except FileNotFoundError:
            pass
    return sum(link.startswith("/memfd:pullback") for link in links)


def is_let_go(stage):
    before = memories(stage)
    some = [Connection(stage) for _ in range(20)]
    assert memories(stage) == before + 20
    numbers = [one.number for one in some]
    for one in some:
        one.handle.shutdown()
    wait_until(lambda: memories(stage) == before, 20, "memory is kept")
    for number in numbers:
        assert take(stage.memory, number) is None


def test(t):
    stage = Stage(t)
    reads(stage)
    refuses(stage)
    another_view_has_other_numbers(stage)
    is_sealed(stage)
    is_let_go(stage)
    one = Connection(stage)
    set_broken(stage.folder, "vda")
    fails(errno.EIO, lambda: one.read(0, 0, 512))


main(test)
