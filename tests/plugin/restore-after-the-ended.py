#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A process is killed while zeroes that it asked for are being written.  Who connects
afterwards is let in when they are written; who was there before does not wait."""

import os
import subprocess
import sys
import time

from pullbacktest import MIB, Skip, main, need_programs, wait_until
from pullbacktest.restoreside import restore_plugin

SIZE = 512 * MIB

# One request: nbdkit 1.32 ends where two of its threads cannot send.
CLIENT = f"""
import nbd, sys
handle = nbd.NBD()
handle.connect_uri(sys.argv[1])
handle.aio_zero({SIZE}, 0, flags=nbd.CMD_FLAG_NO_HOLE)
while handle.aio_get_direction() & nbd.AIO_DIRECTION_WRITE:
    handle.poll(-1)
print("asked", flush=True)
handle.poll(-1)
"""


def cannot_zero_ranges(path):
    """There zeroes are written as any data, which takes long."""
    return subprocess.run(["fallocate", "--zero-range", "--length", "4096",
                           path], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0


def test(t):
    need_programs("nbdkit", "fallocate")
    target = f"/dev/shm/pullback-{os.getpid()}.raw"
    t.defer(os.unlink, target)
    with open(target, "wb") as f:
        f.truncate(SIZE)
    if not cannot_zero_ranges(target):
        raise Skip("/dev/shm can zero ranges: it takes no time")
    server = restore_plugin(t, t.path("sock"), {"vda": target},
                            options=("-t", "4"))
    beside = server.connect("vda")
    client = t.start(sys.executable, "-c", CLIENT, server.uri("vda"),
                     stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"asked\n"
    begin = time.monotonic()
    client.kill()
    client.wait()
    assert beside.pread(512, 0) == bytes(512)
    t.say(f"who is beside it has read after {time.monotonic() - begin:.2f} s")
    later = server.connect("vda")
    t.say(f"who comes later was let in after {time.monotonic() - begin:.2f} s")
    later.pwrite(b"\xaa" * MIB, SIZE // 2)
    later.flush()
    wait_until(lambda: os.stat(target).st_blocks * 512 >= SIZE, 60,
               "the zeroes are not written")
    assert later.pread(MIB, SIZE // 2) == b"\xaa" * MIB, \
        "what was answered and flushed is gone"


main(test)
