#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that becomes shorter under the view gives errors, for reads and for
block status, and never zeros; what the disk's last sector has more than the
image is zeros all along."""

import errno
import os

from pullbacktest import extents, main
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, write_store
from pullbacktest.nbdserver import nbdkit, refused

SIZE = 40 * GRANULE
LEFT = 10 * GRANULE + 1024
TAIL = 100                      # bytes that the image has of the last sector

def check(t, folder, direct_io):
    image = os.path.join(folder, "image")
    frozen = t.random.randbytes(SIZE + TAIL)
    with open(image, "wb") as f:
        f.write(frozen)
    frozen += bytes(512 - TAIL)
    write_store(folder, "vda", SIZE + 512)
    server = nbdkit(t, os.path.join(folder, "sock"), "role=view",
                    "fleece=" + folder, "disk=vda", "direct=" + image,
                    "direct-io=" + direct_io)
    h = server.connect("vda", "base:allocation")
    assert h.pread(SIZE + 512, 0) == frozen
    # Only the tail of the last sector is gone, but the image had it.
    os.truncate(image, SIZE + TAIL - 1)
    fails(errno.EIO, lambda: h.pread(512, SIZE))
    os.truncate(image, LEFT)
    for offset, length in ((SIZE, 512), (0, SIZE + 512), (LEFT, 1),
                           (LEFT - 512, 1024), (LEFT - 1, 2),
                           (20 * GRANULE, GRANULE),
                           (11 * GRANULE, 29 * GRANULE)):
        fails(errno.EIO, lambda: h.pread(length, offset))
    fails(errno.EIO, lambda: extents(h, offset=20 * GRANULE,
                                     length=GRANULE))
    # What is there is still right.
    assert h.pread(LEFT, 0) == frozen[:LEFT]
    h.shutdown()
    server.end()
    said = refused("role=view", "fleece=" + folder, "disk=vda",
                     "direct=" + image)
    assert "is it the right image" in said, said
    for path in os.listdir(folder):
        os.unlink(os.path.join(folder, path))


def test(t):
    folder = t.folder_below("/var/tmp")
    check(t, folder, "no")
    check(t, folder, "yes")


main(test)
