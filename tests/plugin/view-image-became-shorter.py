#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that becomes shorter under the view gives errors, for reads and for
block status, and never zeros; what the disk's last sector has more than the
image is zeros all along."""

import errno
import os

import plugintest as t

SIZE = 40 * t.GRANULE
LEFT = 10 * t.GRANULE + 1024
TAIL = 100                      # bytes that the image has of the last sector

rnd = t.seeded()


def check(folder, direct_io):
    image = os.path.join(folder, "image")
    frozen = rnd.randbytes(SIZE + TAIL)
    with open(image, "wb") as f:
        f.write(frozen)
    frozen += bytes(512 - TAIL)
    t.write_store(folder, "vda", SIZE + 512)
    server = t.nbdkit(os.path.join(folder, "sock"), "role=view",
                      "fleece=" + folder, "disk=vda", "direct=" + image,
                      "direct-io=" + direct_io)
    h = t.connect(server.uri("vda"), "base:allocation")
    assert h.pread(SIZE + 512, 0) == frozen
    # Only the tail of the last sector is gone, but the image had it.
    os.truncate(image, SIZE + TAIL - 1)
    t.fails(errno.EIO, lambda: h.pread(512, SIZE))
    os.truncate(image, LEFT)
    for offset, length in ((SIZE, 512), (0, SIZE + 512), (LEFT, 1),
                           (LEFT - 512, 1024), (LEFT - 1, 2),
                           (20 * t.GRANULE, t.GRANULE),
                           (11 * t.GRANULE, 29 * t.GRANULE)):
        t.fails(errno.EIO, lambda: h.pread(length, offset))
    t.fails(errno.EIO, lambda: t.extents(h, 20 * t.GRANULE, t.GRANULE))
    # What is there is still right.
    assert h.pread(LEFT, 0) == frozen[:LEFT]
    h.shutdown()
    server.end()
    said = t.refused("role=view", "fleece=" + folder, "disk=vda",
                     "direct=" + image)
    assert "is it the right image" in said, said
    for path in os.listdir(folder):
        os.unlink(os.path.join(folder, path))


folder = t.scratch("/var/tmp")
check(folder, "no")
check(folder, "yes")
