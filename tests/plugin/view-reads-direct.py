#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The view returns fleece data where present, the base elsewhere: whole,
random and unaligned reads, odd sizes, buffered and O_DIRECT, by libnbd,
nbdcopy and qemu-img."""

import os
import subprocess

import plugintest as t

rnd = t.seeded()


def check(folder, image_size, disk_size, direct_io):
    name = "d%d" % disk_size
    image = os.path.join(folder, name + ".img")
    base = rnd.randbytes(image_size)
    with open(image, "wb") as f:
        f.write(base)
    frozen = bytearray(base + bytes(disk_size - image_size))
    present = {}
    count = (disk_size + t.GRANULE - 1) // t.GRANULE
    for g in rnd.sample(range(count), count // 2):
        n = min(t.GRANULE, disk_size - g * t.GRANULE)
        present[g] = rnd.choice([rnd.randbytes(n), None])
        frozen[g * t.GRANULE:g * t.GRANULE + n] = present[g] or bytes(n)
    frozen = bytes(frozen)
    t.write_store(folder, name, disk_size, present)
    server = t.nbdkit(os.path.join(folder, name + ".sock"), "role=view",
                      "fleece=" + folder, "disk=" + name, "direct=" + image,
                      "direct-io=" + ("yes" if direct_io else "no"))
    h = t.connect(server.uri(name))
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
    assert t.connect(server.uri("")).get_size() == disk_size
    copy = os.path.join(folder, "copy")
    for connections in ("1", "4"):
        subprocess.run(["nbdcopy", "--connections=" + connections,
                        server.uri(name), copy], check=True)
        assert open(copy, "rb").read() == frozen, "nbdcopy"
    subprocess.run(["qemu-img", "convert", "-O", "raw", server.uri(name),
                    copy], check=True)
    # qemu-img rounds up to whole sectors
    assert open(copy, "rb").read()[:disk_size] == frozen, "qemu-img"
    server.end()
    for path in os.listdir(folder):
        os.unlink(os.path.join(folder, path))


folder = t.scratch("/var/tmp")
for direct_io in (False, True):
    check(folder, 1000003, 1000448, direct_io)
    check(folder, 1000003, 1000003, direct_io)
    check(folder, 700, 1024, direct_io)
    check(folder, 40 * t.GRANULE, 40 * t.GRANULE, direct_io)
    check(folder, 20 << 20, 20 << 20, direct_io)
