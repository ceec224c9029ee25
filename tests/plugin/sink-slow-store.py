#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: slow
"""A fleece store that hangs: after the limit it is broken, the connection that
waits is cut, and who connects again is answered at once.  The view says EIO.
The sink ends when it is told to as far as the kernel lets it."""

import os
import threading
import time

from pullbacktest import main, wait_until
from pullbacktest.clients import fails
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.loopfs import LoopFS, private_namespace
from pullbacktest.nbdserver import nbdkit

LIMIT = 3
G = GRANULE
SIZE = 64 * G


def connections(server):
    """Accepted ones, as the kernel lists them."""
    with open("/proc/net/unix") as stream:
        return sum(line.split()[5] == "03" and line.split()[-1] == server.socket
                   for line in stream)


def attempt(what, handle, result, begin):
    """How long it took since BEGIN, and what went wrong."""
    import nbd
    try:
        what(handle)
        result.append((time.monotonic() - begin, None))
    except nbd.Error as error:
        result.append((time.monotonic() - begin, error))


def servers(t, fs, folder, maps):
    image = os.path.join(folder, "image")
    with open(image, "wb") as f:
        f.write(b"o" * SIZE)
    write_store(fs.folder, "vda", SIZE, maps=maps)
    both = ["fleece=" + fs.folder, "maps=" + maps, "disk=vda"]
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink",
                  f"write-limit={LIMIT * 1000}", *both)
    view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                  "direct=" + image)
    # Data without a mark, so that zeros have to punch a hole.
    with open(os.path.join(fs.folder, "vda.data"), "r+b") as f:
        f.seek(8 * G)
        f.write(b"x" * 8 * G)
    return sink, view


def both_are_cut(sink, what):
    """WHAT hangs, and another connection's that waits for the same granules."""
    handles = [sink.connect("vda") for _ in range(2)]
    # They are cut together, when the first has waited for long enough.
    results, begin = [], time.monotonic()
    threads = [threading.Thread(target=attempt,
                                args=(what, handle, results, begin))
               for handle in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT + 60)
        assert not thread.is_alive(), "still waits"
    for seconds, error in results:
        assert error is not None, "answered, though it was cut"
        assert LIMIT - 0.5 <= seconds < LIMIT + 20, seconds
    wait_until(lambda: connections(sink) == 0, 15,
               "the cut connections stay")
    return results[0][0]


def hang(t, kind, what):
    folder = t.folder_below("/var/tmp")
    fs = LoopFS(t, os.path.join(folder, "store"), kind)
    maps = t.folder_below("/dev/shm")
    sink, view = servers(t, fs, folder, maps)
    reader = view.connect("vda")
    sink.connect("vda").pwrite(b"o" * G, 0)
    assert reader.pread(G, 0) == b"o" * G
    t.defer(fs.thaw)            # before the processes are waited for
    fs.freeze()
    took = both_are_cut(sink, what)
    assert read_map(os.path.join(maps, "vda.present"))[1:] == (1, 110)
    fails(5, lambda: reader.pread(G, 0))
    fails(5, lambda: reader.pread(G, 20 * G))
    # QEMU sends again what was not answered.
    again = sink.connect("vda")
    begin = time.monotonic()
    what(again)
    again.pwrite(b"o" * G, 30 * G)
    again.zero(G, 31 * G)
    assert time.monotonic() - begin < 2 * LIMIT, "waited for what hangs"

    # The kernel lets go of the last thread at the thaw, of all others now.
    sink.process.terminate()
    wait_until(lambda: len(os.listdir(f"/proc/{sink.pid}/task")) <= 3, 15,
               "the threads do not end")
    fs.thaw()
    assert sink.process.wait(60) in (0, -15), sink.process.returncode
    said = sink.said()
    assert said.count("the backup is broken") == 1, said
    assert f"within {LIMIT * 1000} ms" in said, said
    view.end()
    fs.close()
    print(f"{kind}: {what.__name__}: {took:.2f} s")


def write(handle):
    handle.pwrite(b"o" * 4 * G, 4 * G)


def zero(handle):
    handle.zero(4 * G, 8 * G)


def slow_but_in_time(t):
    """No limit, no cut: the writes end with the thaw."""
    folder = t.folder_below("/var/tmp")
    fs = LoopFS(t, os.path.join(folder, "store"))
    maps = t.folder_below("/dev/shm")
    write_store(fs.folder, "vda", SIZE, maps=maps)
    for limit in (0, 60000):
        sink = nbdkit(t, os.path.join(folder, f"sink{limit}"), "role=sink",
                      "fleece=" + fs.folder, "maps=" + maps,
                      f"write-limit={limit}", "disk=vda")
        handle, result = sink.connect("vda"), []
        t.defer(fs.thaw)
        fs.freeze()
        thread = threading.Thread(target=attempt, args=(
            lambda h: h.pwrite(b"o" * G, limit // 60000 * G), handle, result,
            time.monotonic()))
        thread.start()
        thread.join(1)
        assert thread.is_alive(), result
        fs.thaw()
        thread.join(60)
        assert result[0][1] is None, result
        sink.end()
    assert read_map(os.path.join(maps, "vda.present")) == ({0, 1}, 0, 0)
    fs.close()


def test(t):
    private_namespace()
    hang(t, "ext4", write)
    hang(t, "ext4", zero)
    hang(t, "xfs", write)
    slow_but_in_time(t)


main(test)
