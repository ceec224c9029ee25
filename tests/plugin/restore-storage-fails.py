#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""Storage without room: the client gets ENOSPC, and may go on where there is some.
Storage that loses what the page cache took: the flush says so, over any connection, and
each later one does, also when the storage is well again."""

import os

from pullbacktest import MIB, main
from pullbacktest.clients import fails
from pullbacktest.faultystore import FaultyStore
from pullbacktest.loopfs import private_namespace
from pullbacktest.obstacles import small_store
from pullbacktest.restoreside import restore_plugin

EIO, ENOSPC = 5, 28
SIZE = 16 * MIB


def sparse(path):
    with open(path, "wb") as f:
        f.truncate(SIZE)


def no_room(t):
    import nbd
    target = os.path.join(small_store(t, "2m"), "target")
    sparse(target)
    handle = restore_plugin(t, t.path("small"),
                            {"vda": target}).connect("vda")
    handle.pwrite(b"a" * MIB, 0)
    fails(ENOSPC, lambda: handle.pwrite(b"b" * 4 * MIB, 2 * MIB))
    fails(ENOSPC, lambda: handle.zero(4 * MIB, 8 * MIB, nbd.CMD_FLAG_NO_HOLE))
    handle.zero(12 * MIB, 2 * MIB)
    handle.pwrite(b"c" * 65536, 2 * MIB)
    handle.flush()
    assert handle.pread(65536, 2 * MIB) == b"c" * 65536
    assert handle.pread(MIB, 0) == b"a" * MIB


def lost(t):
    import nbd
    store = FaultyStore(t, t.path("store"))
    target = os.path.join(store.folder, "target")
    sparse(target)
    server = restore_plugin(t, t.path("faulty"), {"vda": target})
    one, other = server.connect("vda"), server.connect("vda")
    one.pwrite(b"a" * MIB, 0)
    one.flush()
    store.fail()
    one.pwrite(b"b" * MIB, 4 * MIB)
    fails(EIO, one.flush)
    fails(EIO, one.flush)
    fails(EIO, other.flush)
    store.heal()
    fails(EIO, other.flush)
    fails(EIO, lambda: one.pwrite(b"c" * 4096, 0, nbd.CMD_FLAG_FUA))
    fails(EIO, lambda: one.zero(4096, 0, nbd.CMD_FLAG_FUA))


def test(t):
    private_namespace()
    no_room(t)
    lost(t)


main(test)
