#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody reads what the sink says: the pipe or the socket is full, somebody has
stopped the terminal, the log is on storage that hangs.  A guest's write waits for
none of it, also where the sink and nbdkit itself have to complain."""

import contextlib
import os
import pty
import socket
import threading

from pullbacktest import main, need
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.loopfs import LoopFS, private_namespace
from pullbacktest.nbdserver import nbdkit
from pullbacktest.obstacles import fill, small_store

G = GRANULE
SIZE = 64 * G


class Blocked:
    """A standard error that takes nothing: fd; free () lets go of who waits."""

    def __init__(self, fd, free, fs=None):
        self.fd = fd
        self.free = free
        self.fs = fs


def a_full_pipe(t, folder):
    read, write = os.pipe()
    fill(write)
    return Blocked(write, lambda: os.close(read))


def full_socket(t, folder):
    ours, theirs = socket.socketpair()
    fill(theirs.fileno())
    return Blocked(theirs.detach(), ours.close)


def stopped_terminal(t, folder):
    main_side, terminal = pty.openpty()
    os.write(main_side, b"\x13")     # Ctrl-S
    return Blocked(terminal, lambda: os.close(main_side))


def frozen_file(t, folder):
    fs = LoopFS(t, os.path.join(folder, "log"))
    log = os.open(os.path.join(fs.folder, "log"), os.O_CREAT | os.O_WRONLY)
    fs.freeze()
    return Blocked(log, fs.thaw, fs)


def sink_with(t, folder, blocked, *parameters):
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink", *parameters,
                  "disk=vda", stderr=blocked.fd)
    os.close(blocked.fd)
    t.defer(blocked.free)       # before the sink is waited for
    return sink


def in_time(what, seconds=60):
    """WHAT runs in a thread of its own, which may hang."""
    result = []
    thread = threading.Thread(target=lambda: result.append(what()),
                              daemon=True)
    thread.start()
    thread.join(seconds)
    need(result, "a write waits for whoever reads stderr")
    return result[0]


def talk_nonsense(sink):
    """nbdkit complains of it."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(sink.socket)
    s.sendall(b"\xff" * 200)
    s.close()


def full_store(t, kind):
    folder, store = t.folder_below("/var/tmp"), small_store(t, "2m")
    write_store(store, "vda", SIZE)
    blocked = kind(t, folder)
    sink = sink_with(t, folder, blocked, "fleece=" + store)

    def write_all():
        for _ in range(3):
            talk_nonsense(sink)
        handle = sink.connect("vda")
        for g in range(64):
            handle.pwrite(b"o" * G, g * G)
        return read_map(os.path.join(store, "vda.present"))
    granules, state, reason = in_time(write_all)
    assert (state, reason) == (1, 28) and 8 <= len(granules) < 40, \
        (len(granules), state, reason)
    if kind == frozen_file:
        blocked.free()
    sink.end()
    t.say(f"{kind.__name__}: {len(granules)} granules, then broken")


def log_beside_the_store(t):
    """Both hang: the limit cuts what waits, whether or not it can be told."""
    import nbd
    folder, maps = t.folder_below("/var/tmp"), t.folder_below("/dev/shm")
    blocked = frozen_file(t, folder)
    blocked.free()
    write_store(blocked.fs.folder, "vda", SIZE, maps=maps)
    sink = sink_with(t, folder, blocked, "fleece=" + blocked.fs.folder,
                     "maps=" + maps, "write-limit=1000")
    first = sink.connect("vda")
    blocked.fs.freeze()

    def write_twice():
        # Cut; or it comes when the store is broken already, and is let go.
        with contextlib.suppress(nbd.Error):
            first.pwrite(b"o" * G, 0)
        sink.connect("vda").pwrite(b"o" * G, 0)
        return read_map(os.path.join(maps, "vda.present"))[1:]
    assert in_time(write_twice) == (1, 110)
    blocked.free()
    sink.end()


def test(t):
    private_namespace()
    for kind in (a_full_pipe, full_socket, stopped_terminal, frozen_file):
        full_store(t, kind)
    log_beside_the_store(t)


main(test)
