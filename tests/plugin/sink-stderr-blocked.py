#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody reads what the sink says: the pipe or the socket is full, somebody has
stopped the terminal, the log is on storage that hangs.  A guest's write waits for
none of it, also where the sink and nbdkit itself have to complain."""

import atexit
import os
import pty
import socket
import subprocess
import threading

import plugintest as t
from pullbacktest.loopfs import LoopFS, in_private_namespace

G = t.GRANULE
size = 64 * G
keep = []                       # what must stay open


def fill(fd):
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)


def full_pipe(folder):
    read, write = os.pipe()
    keep.append(read)
    fill(write)
    return write


def full_socket(folder):
    ours, theirs = socket.socketpair()
    keep.append(ours)
    fill(theirs.fileno())
    return theirs.detach()


def stopped_terminal(folder):
    main, terminal = pty.openpty()
    keep.append(main)
    os.write(main, b"\x13")     # Ctrl-S
    return terminal


def frozen_file(folder):
    fs = LoopFS(os.path.join(folder, "log"))
    atexit.register(fs.close)
    log = os.open(os.path.join(fs.folder, "log"), os.O_CREAT | os.O_WRONLY)
    atexit.register(fs.thaw)
    fs.freeze()
    keep.append(fs)
    return log


class Sink(t.Server):
    """With a standard error of the test's own."""

    def __init__(self, folder, stderr, *parameters):
        self.socket = os.path.join(folder, "sink")
        self.process = subprocess.Popen(
            ["nbdkit", "-f", "-U", self.socket, "--exit-with-parent", t.PLUGIN,
             "role=sink", *parameters, "disk=vda"], stderr=stderr,
            env=t.plugin_env())
        atexit.register(self.end)
        t.wait_for(lambda: t.accepts(self.socket), "the sink")


def in_time(what, seconds=20):
    """WHAT runs in a thread of its own, which may hang."""
    result = []
    thread = threading.Thread(target=lambda: result.append(what()),
                              daemon=True)
    thread.start()
    thread.join(seconds)
    if not result:
        print("FAIL: a write waits for whoever reads stderr", flush=True)
        for thing in keep:
            if isinstance(thing, LoopFS):
                thing.thaw()
            else:
                # Lets go of what waits, so that the test can end.
                (os.close if isinstance(thing, int) else
                 socket.socket.close)(thing)
        raise SystemExit(1)
    return result[0]


def talk_nonsense(sink):
    """nbdkit complains of it."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(sink.socket)
    s.sendall(b"\xff" * 200)
    s.close()


def full_store(blocked):
    folder = t.scratch("/var/tmp")
    store = os.path.join(folder, "store")
    os.mkdir(store)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none",
                       store]).returncode != 0:
        t.skip("cannot mount a tmpfs")
    atexit.register(subprocess.run, ["umount", "-l", store])
    t.write_store(store, "vda", size)
    stderr = blocked(folder)
    sink = Sink(folder, stderr, "fleece=" + store)

    def write_all():
        for _ in range(3):
            talk_nonsense(sink)
        handle = t.connect(sink.uri("vda"))
        for g in range(64):
            handle.pwrite(b"o" * G, g * G)
        return t.read_map(os.path.join(store, "vda.present"))
    granules, state, reason = in_time(write_all)
    assert (state, reason) == (1, 28) and 8 <= len(granules) < 40, \
        (len(granules), state, reason)
    if blocked == frozen_file:
        keep[-1].thaw()
    sink.end()
    os.close(stderr)
    print(f"{blocked.__name__}: {len(granules)} granules, then broken")


def log_beside_the_store():
    """Both hang: the limit cuts what waits, whether or not it can be told."""
    import nbd
    folder, maps = t.scratch("/var/tmp"), t.scratch("/dev/shm")
    stderr = frozen_file(folder)
    fs = keep[-1]
    fs.thaw()
    t.write_store(fs.folder, "vda", size, maps=maps)
    sink = Sink(folder, stderr, "fleece=" + fs.folder, "maps=" + maps,
                "write-limit=1000")
    first = t.connect(sink.uri("vda"))
    fs.freeze()

    def write_twice():
        try:
            first.pwrite(b"o" * G, 0)
            raise AssertionError("the store was frozen")
        except nbd.Error:
            pass
        t.connect(sink.uri("vda")).pwrite(b"o" * G, 0)
        return t.read_map(os.path.join(maps, "vda.present"))[1:]
    assert in_time(write_twice) == (1, 110)
    fs.thaw()
    sink.end()
    os.close(stderr)


why = in_private_namespace()
if why:
    t.skip(why)
for kind in (full_pipe, full_socket, stopped_terminal, frozen_file):
    full_store(kind)
log_beside_the_store()
