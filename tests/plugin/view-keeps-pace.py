#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Views that share a pace file keep to it together, and read what they would
without, and step back only then; a limit that goes is gone at once; a view that
waits ends when it is told to, and one whose pace file is not there does not wait."""

import contextlib
import errno
import glob
import os
import time
from concurrent.futures import ThreadPoolExecutor

from pullbacktest import main
from pullbacktest.clients import fails
from pullbacktest.fleece import write_store
from pullbacktest.nbdserver import nbdkit
from pullbacktest.outcome import wait_until
from pullbacktest.pacefile import (ARRIVED, COUNTED, FIXED, read_word,
                                   write_pace, write_word)

MIB = 1 << 20
SIZE = 16 * MIB
BURST = MIB


class Stage:
    def __init__(self, t):
        self.t = t
        self.folder = t.folder_below("/dev/shm")
        self.old = t.random.randbytes(SIZE)
        self.image = self.path("image")
        with open(self.image, "wb") as f:
            f.write(self.old)
        write_store(self.folder, "vda", SIZE)

    def path(self, name):
        return os.path.join(self.folder, name)

    def view(self, name, *more, limits=(), options=()):
        return nbdkit(self.t, self.path(name), "role=view",
                      "fleece=" + self.folder, *limits, "disk=vda",
                      "direct=" + self.image, *more, options=options)

    def read(self, handle, size=SIZE):
        assert handle.pread(size, 0) == self.old[:size], "the data is wrong"


def two_views_share(stage, where):
    """WHERE: limit= of all, or pace= of the disk."""
    path = stage.path("shared")
    write_pace(path, 16 * MIB)
    word = [f"{where}={path}"]
    limits, disk = (word, []) if where == "limit" else ([], word)
    views = [stage.view(where + name, *disk, limits=limits) for name in "ab"]
    handles = [view.connect("vda") for view in views]
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        list(pool.map(stage.read, handles))
    seconds = time.monotonic() - start
    stage.t.say(f"{where}: 32 MiB at 16 MiB/s in {seconds:.2f} s")
    assert seconds >= 0.95 * (2 * SIZE - BURST) / (16 * MIB), seconds
    assert read_word(path, COUNTED) == 2 * SIZE
    for view in views:
        view.end()


def limit_goes(stage):
    path = stage.path("going")
    write_pace(path, MIB)
    view = stage.view("going.sock", f"pace={path}")
    handle = view.connect("vda")
    with ThreadPoolExecutor() as pool:
        read = pool.submit(stage.read, handle)
        wait_until(lambda: read_word(path, COUNTED) > BURST, 30, "no read")
        start = time.monotonic()
        write_word(path, FIXED, 0)
        read.result()
    # What is left of 16 MiB would take over 10 s.
    assert time.monotonic() - start < 5
    view.end()


def threads(view):
    """But for the kernel's, which io_uring starts and ends."""
    found = []
    for folder in glob.glob(f"/proc/{view.process.pid}/task/*"):
        with contextlib.suppress(OSError):      # one that has just ended
            with open(folder + "/comm") as stream:
                if not stream.read().startswith("iou-wrk"):
                    found.append(int(os.path.basename(folder)))
    return found


def steps_back(stage):
    """The threads that read, only while it is limited."""
    path = stage.path("place")
    write_pace(path)
    view = stage.view("place.sock", f"pace={path}", options=["--threads=1"])
    for thread in threads(view):        # as the daemon starts it
        os.setpriority(os.PRIO_PROCESS, thread, 19)
    handle = view.connect("vda")

    def some_are_first():
        stage.read(handle, MIB)
        return any(os.getpriority(os.PRIO_PROCESS, thread) == 0
                   for thread in threads(view))

    assert some_are_first(), "nobody comes back"
    write_word(path, FIXED, 64 * MIB)
    assert not some_are_first(), "somebody does not step back"
    write_word(path, FIXED, 0)
    assert some_are_first(), "nobody comes back again"
    view.end()


def nobody_leaves_a_queue(stage):
    """What those who waited would have taken is there for the next ones."""
    path = stage.path("queue")
    write_pace(path, MIB)
    view = stage.view("queue.sock", f"pace={path}")
    handles = [view.connect("vda") for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        reads = [pool.submit(stage.read, h) for h in handles]
        wait_until(lambda: read_word(path, COUNTED) > BURST, 30, "no read")
        write_word(path, FIXED, 0)
        for read in reads:
            read.result()
    write_word(path, FIXED, 16 * MIB)
    start = time.monotonic()
    stage.read(handles[0])
    seconds = time.monotonic() - start
    stage.t.say(f"16 MiB at 16 MiB/s in {seconds:.2f} s")
    # What four of them left untaken would be 48 s.
    assert seconds < 8, seconds
    view.end()


def many_wait(stage):
    """Whoever waits together gets what one would, in the end all of them."""
    path = stage.path("many")
    write_pace(path, 8 * MIB)
    view = stage.view("many.sock", f"pace={path}")
    handles = [view.connect("vda") for _ in range(32)]
    start = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda h: stage.read(h, MIB // 2), handles))
    seconds = time.monotonic() - start
    stage.t.say(f"32 readers, 16 MiB at 8 MiB/s in {seconds:.2f} s")
    assert 0.95 * 15 / 8 <= seconds < 12, seconds
    view.end()


def waiting_view_ends(stage):
    path = stage.path("slow")
    write_pace(path, MIB)
    view = stage.view("slow.sock", f"pace={path}")
    handle = view.connect("vda")
    with ThreadPoolExecutor() as pool:
        read = pool.submit(fails, errno.ESHUTDOWN,
                           lambda: handle.pread(SIZE, 0))
        wait_until(lambda: read_word(path, COUNTED) > BURST, 30, "no read")
        start = time.monotonic()
        view.process.terminate()
        read.result()
    # The rest of the read would take over 10 s.
    assert time.monotonic() - start < 5
    view.end()


def no_file_no_wait(stage):
    view = stage.view("none.sock", "pace=" + stage.path("nothing"))
    stage.read(view.connect("vda"))
    assert "is not kept to" in view.said(), view.said()
    view.end()


def sink_tells(stage):
    path = stage.path("told")
    write_pace(path)
    sink = nbdkit(stage.t, stage.path("sink.sock"), "role=sink",
                  "fleece=" + stage.folder, "disk=vda", f"pace={path}")
    handle = sink.connect("vda")
    assert read_word(path, ARRIVED) == 0
    before = time.monotonic_ns()
    handle.pwrite(stage.old[:65536], 0)
    assert before <= read_word(path, ARRIVED) <= time.monotonic_ns()
    sink.end()


def test(t):
    stage = Stage(t)
    two_views_share(stage, "limit")
    two_views_share(stage, "pace")
    limit_goes(stage)
    steps_back(stage)
    nobody_leaves_a_queue(stage)
    many_wait(stage)
    waiting_view_ends(stage)
    no_file_no_wait(stage)
    sink_tells(stage)


main(test)
