#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What others have in a qcow2 image stays right over a restore: an internal snapshot is read as
before, and a bitmap, as of libvirt's checkpoints, records what was written, and no more."""

import json

from pullbacktest import MIB, Daemon, main, run
from pullbacktest.restore import restore_begin, write_random

SIZE = 16 * MIB
WRITTEN = (3 * MIB, 2 * MIB)


def recorded(image):
    """What their bitmap has, by QEMU's own server: [(offset, length)]."""
    told = run("nbdinfo", "--json", "--map=qemu:dirty-bitmap:theirs", "--", "[", "qemu-nbd",
               "-r", "-B", "theirs", "-f", "qcow2", image, "]").stdout
    return [(one["offset"], one["length"]) for one in json.loads(told)
            if one["type"] == 1]


def test(t):
    image = t.path("disk.qcow2")
    before = write_random(t, t.path("before"), SIZE)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", before, image)
    run("qemu-img", "snapshot", "-c", "snapshot", image)
    run("qemu-img", "bitmap", "--add", image, "theirs")

    with open(before, "rb") as stream:
        content = bytearray(stream.read())
    offset, length = WRITTEN
    content[offset:offset + length] = t.random.randbytes(length)
    with open(t.path("after"), "wb") as stream:
        stream.write(content)
    daemon = Daemon(t)
    info = restore_begin(daemon, "web", "--image", image, "--format", "qcow2")
    run("qemu-img", "convert", "-n", "--image-opts", "--target-image-opts",
        f"driver=raw,offset={offset},size={length},file.filename={t.path('after')}",
        f"driver=raw,offset={offset},size={length},file.driver=nbd,file.export=vda,"
        f"file.server.type=unix,file.server.path={info['uri']['vda'].partition('socket=')[2]}")
    daemon.cli("restore-commit", "web")
    daemon.terminate()

    run("qemu-img", "check", "-q", image)
    run("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "raw", image, t.path("after"))
    was = t.path("was")
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-l", "snapshot", image, was)
    run("cmp", was, before)
    found = recorded(image)
    t.check(found == [WRITTEN], f"their bitmap has {found}")


main(test)
