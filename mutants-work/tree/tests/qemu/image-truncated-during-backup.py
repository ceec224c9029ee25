#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk's image is truncated from outside during a backup: no client gets
zeros for what is gone, by whatever export, and the commit is refused."""

import errno
import os

import nbd
from pullbacktest import MIB, VM, Daemon, Disk, main

SIZE = 8 * MIB
LEFT = 3 * MIB


def fails(t, attempt, what):
    try:
        attempt()
        t.check(False, f"{what}: no error")
    except nbd.Error as error:
        t.check(error.errnum == errno.EIO, f"{what}: {error}")


def test(t):
    image = t.path("vda.raw")
    frozen = t.random.randbytes(SIZE)
    with open(image, "wb") as stream:
        stream.write(frozen)
    vm = VM(t, [Disk("vda", path=image)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    backup = daemon.begin()
    h = nbd.NBD()
    h.add_meta_context("base:allocation")
    h.connect_uri(backup["disk"]["vda"]["uri"])
    os.truncate(image, LEFT)
    t.check(h.pread(LEFT, 0) == frozen[:LEFT], "what is there is wrong")
    fails(t, lambda: h.pread(65536, LEFT), "a read of what is gone")
    fails(t, lambda: h.pread(SIZE, 0), "a read of everything")
    fails(t, lambda: h.block_status(MIB, LEFT, lambda *_: 0),
          "block status of what is gone")
    h.shutdown()
    daemon.refuses("backup-commit", "vm1", saying=["vda", "shorter"])
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
