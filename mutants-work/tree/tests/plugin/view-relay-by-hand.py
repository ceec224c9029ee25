#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base is an NBD server of the test's own (nbdkit eval), which does what
QEMU's seldom does: it calls data a hole that does not read as zeros, and while
it answers a read, every other granule of what was asked for becomes present."""

import os
import threading

from pullbacktest import Skip, extents, main, run, wait_until
from pullbacktest.fleece import GRANULE, write_store
from pullbacktest.nbdserver import NbdServer, nbdkit

G = GRANULE
GRANULES = 320
SIZE = GRANULES * G


def base(t, folder, name, **methods):
    socket = os.path.join(folder, name)
    return NbdServer(t, ["nbdkit", "-f", "-U", socket, "eval",
                         f"get_size=echo {SIZE}",
                         *(f"{key}={text}" for key, text in methods.items())],
                     socket)


def view_of(t, folder, server, disk):
    return nbdkit(t, os.path.join(folder, "view-" + disk), "role=view",
                  "fleece=" + folder, "disk=" + disk,
                  "relay=" + server.uri(""))


def holes(t, folder):
    """What is not allocated need not be zero; what is zero is a hole for us."""
    write_store(folder, "holes", SIZE)
    server = base(t, folder, "holes-base", pread="head -c $3 /dev/zero",
                  can_extents="exit 0",
                  extents=f"echo 0 {64 * G} hole; echo {64 * G} {64 * G} zero; "
                          f"echo {128 * G} {64 * G} hole,zero; "
                          f"echo {192 * G} {SIZE - 192 * G}")
    view = view_of(t, folder, server, "holes")
    got = extents(view.connect("holes", "base:allocation"))
    assert [(at // G, n // G, flags & 2) for at, n, flags in got] == \
        [(0, 64, 0), (64, 128, 2), (192, GRANULES - 192, 0)], got
    view.end()
    server.end()


def slow_read(t, folder):
    """A read that takes as long as the test likes."""
    asked, go = os.path.join(folder, "asked"), os.path.join(folder, "go")
    write_store(folder, "slow", SIZE)
    server = base(t, folder, "slow-base", pread=f"""
        touch {asked}
        while ! test -e {go}; do sleep 0.02; done
        head -c $3 /dev/zero | tr '\\0' n""")
    view = view_of(t, folder, server, "slow")
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink",
                  "fleece=" + folder, "disk=slow")
    for name in (asked, go):    # the view may have looked
        if os.path.exists(name):
            os.unlink(name)
    reader, writer = view.connect("slow"), sink.connect("slow")
    result = []
    thread = threading.Thread(
        target=lambda: result.append(reader.pread(SIZE, 0)))
    thread.start()
    wait_until(lambda: os.path.exists(asked), 15, "the base is not read")
    for g in range(0, GRANULES, 2):
        writer.pwrite(b"o" * G, g * G)
    open(go, "w").close()
    thread.join(60)
    assert result, "the read failed"
    assert result[0] == (b"o" * G + b"n" * G) * (GRANULES // 2)
    for one in (view, sink, server):
        one.end()


def test(t):
    if run("nbdkit", "eval", "--version", check=False).returncode != 0:
        raise Skip("nbdkit has no eval plugin")
    folder = t.folder_below("/var/tmp")
    holes(t, folder)
    slow_read(t, folder)


main(test)
