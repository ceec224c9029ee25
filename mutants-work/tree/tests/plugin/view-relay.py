#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base is a qcow2 image behind an NBD server (qemu-nbd): data, holes,
parallel requests, and a server that is killed and comes back."""

import os
import random
import threading

from pullbacktest import extents, main, nbdcopy, need_programs, run
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, write_store
from pullbacktest.nbdserver import NbdServer, nbdkit, refused

G = GRANULE
SIZE = 100 * G + 1536


def make(t, folder):
    """The base's image, and the frozen bytes above it."""
    rnd, raw = t.random, os.path.join(folder, "raw")
    base = bytearray(SIZE)
    base[:50 * G] = rnd.randbytes(50 * G)
    base[70 * G:] = rnd.randbytes(SIZE - 70 * G)
    with open(raw, "wb") as f:
        f.write(base)
    qcow2 = os.path.join(folder, "qcow2")
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2)
    present = {g: rnd.choice([rnd.randbytes(G), None])
               for g in rnd.sample(range(100), 30)}
    for g, data in present.items():
        base[g * G:(g + 1) * G] = data or bytes(G)
    write_store(folder, "vda", SIZE, present)
    return qcow2, present, bytes(base)


def start(t, folder, qcow2):
    socket = os.path.join(folder, "relay")
    return NbdServer(t, ["qemu-nbd", "-r", "-t", "-e", "8", "-f", "qcow2",
                         "-x", "live", "-k", socket, qcow2], socket)


def allocation(h, present):
    for offset, n, flags in extents(h):
        for at in range(offset, offset + n, G):
            g = at // G
            hole = present[g] is None if g in present else 50 <= g < 70
            assert (flags == 3) == hole, (g, flags)


def many_readers(t, view, frozen):
    wrong = []

    def read(mine, seed):
        dice = random.Random(seed)
        for _ in range(60):
            offset = dice.randrange(SIZE)
            n = dice.randrange(1, min(SIZE - offset, 1 << 20) + 1)
            if mine.pread(n, offset) != frozen[offset:offset + n]:
                wrong.append((offset, n))

    threads = [threading.Thread(target=read, args=(view.connect("vda"),
                                                   t.random.random()))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong


def wrong_bases(folder, relay):
    write_store(folder, "big", SIZE + G)
    said = refused("role=view", "fleece=" + folder, "disk=big",
                   "relay=" + relay.uri("live"))
    assert "is it the right export" in said, said
    said = refused("role=view", "fleece=" + folder, "disk=vda",
                   "relay=nbd+unix:///x?socket=/nonexistent")
    assert "/nonexistent" in said, said


def test(t):
    need_programs("qemu-nbd", "qemu-img")
    folder = t.folder_below("/var/tmp")
    qcow2, present, frozen = make(t, folder)
    relay = start(t, folder, qcow2)
    view = nbdkit(t, os.path.join(folder, "s"), "role=view",
                  "fleece=" + folder, "disk=vda", "relay=" + relay.uri("live"))
    h = view.connect("vda", "base:allocation")
    assert h.pread(SIZE, 0) == frozen
    allocation(h, present)
    many_readers(t, view, frozen)

    relay.kill()
    os.unlink(relay.socket)
    fails(5, lambda: h.pread(SIZE, 0))
    relay = start(t, folder, qcow2)
    assert h.pread(SIZE, 0) == frozen
    copy = os.path.join(folder, "copy")
    nbdcopy(view.uri("vda"), copy)
    with open(copy, "rb") as f:
        assert f.read() == frozen
    wrong_bases(folder, relay)
    for server in (view, relay):
        server.end()


main(test)
