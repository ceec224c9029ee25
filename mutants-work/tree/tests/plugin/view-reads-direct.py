#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: slow
"""The view returns fleece data where present, the base elsewhere: whole,
random and unaligned reads, odd sizes, buffered and O_DIRECT, by libnbd,
nbdcopy and qemu-img."""

import os

from pullbacktest import main, run
from pullbacktest.fleece import GRANULE, write_store
from pullbacktest.nbdserver import nbdkit

def check(t, folder, image_size, disk_size, direct_io):
    rnd, name = t.random, f"d{disk_size}"
    image = os.path.join(folder, name + ".img")
    base = rnd.randbytes(image_size)
    with open(image, "wb") as f:
        f.write(base)
    frozen = bytearray(base + bytes(disk_size - image_size))
    present = {}
    count = (disk_size + GRANULE - 1) // GRANULE
    for g in rnd.sample(range(count), count // 2):
        n = min(GRANULE, disk_size - g * GRANULE)
        present[g] = rnd.choice([rnd.randbytes(n), None])
        frozen[g * GRANULE:g * GRANULE + n] = present[g] or bytes(n)
    frozen = bytes(frozen)
    write_store(folder, name, disk_size, present)
    server = nbdkit(t, os.path.join(folder, name + ".sock"), "role=view",
                    "fleece=" + folder, "disk=" + name, "direct=" + image,
                    "direct-io=" + ("yes" if direct_io else "no"))
    h = server.connect(name)
    assert h.get_size() == disk_size
    assert h.is_read_only() and h.can_multi_conn()
    assert h.pread(disk_size, 0) == frozen, "whole read"
    for _ in range(300):
        offset = rnd.randrange(disk_size)
        n = min(disk_size - offset, rnd.choice([1, 511, 512, 4096, 65536,
                                                rnd.randrange(1, 1 << 20)]))
        assert h.pread(n, offset) == frozen[offset:offset + n], (offset, n)
    h.shutdown()
    # The export without a name is the only disk.
    assert server.connect("").get_size() == disk_size
    copy = os.path.join(folder, "copy")
    for connections in ("1", "4"):
        run("nbdcopy", "--connections=" + connections, server.uri(name), copy)
        assert open(copy, "rb").read() == frozen, "nbdcopy"
    run("qemu-img", "convert", "-O", "raw", server.uri(name), copy)
    # qemu-img rounds up to whole sectors
    assert open(copy, "rb").read()[:disk_size] == frozen, "qemu-img"
    server.end()
    for path in os.listdir(folder):
        os.unlink(os.path.join(folder, path))


def test(t):
    folder = t.folder_below("/var/tmp")
    for direct_io in (False, True):
        check(t, folder, 1000003, 1000448, direct_io)
        check(t, folder, 1000003, 1000003, direct_io)
        check(t, folder, 700, 1024, direct_io)
        check(t, folder, 40 * GRANULE, 40 * GRANULE, direct_io)
        check(t, folder, 20 << 20, 20 << 20, direct_io)


main(test)
