#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
"""A client asks for zeroes and is killed before they are written.  The next one is let in
when they are, so that they never go over what it is answered; one that was there before
does not wait.  Of zeroes that are cut into pieces the upstream server is not sent those
that are left."""

import re
import subprocess
import sys
import time

from pullbacktest import MIB, main, need_programs, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.restoreside import WriteStage, restore_plugin

DELAY = 3                       # of zeroes, at the upstream server
HUGE = 4096 * MIB - MIB         # in one request
PIECE = 16 * MIB                # what the upstream server is sent of it
PIECES_MOST = 64                # not answered, of one connection

CLIENT = """
import nbd, sys
handle = nbd.NBD()
handle.connect_uri(sys.argv[1])
handle.aio_zero(int(sys.argv[2]), 0, flags=nbd.CMD_FLAG_NO_HOLE)
while handle.aio_get_direction() & nbd.AIO_DIRECTION_WRITE:
    handle.poll(-1)
print("asked", flush=True)
handle.poll(-1)
"""


def start(t, size, delay):
    stage = WriteStage(t)
    target, log = stage.path("vda"), stage.path("requests")
    with open(target, "wb") as f:
        f.truncate(size)
    stage.upstream = restore_plugin(
        t, stage.view, {"vda": target},
        options=("-t", "4", "--filter=log", "--filter=delay"),
        more=(f"logfile={log}", f"delay-zero={delay}"))
    stage.start_writable({"vda": target}, server=stage.view)
    return stage, log


def zeroes_of(log):
    """The lengths of those that the upstream server was asked for."""
    with open(log, encoding="utf-8") as f:
        return [int(n, 16) for n in
                re.findall(r"Zero id=\d+ offset=\S+ count=(0x\w+)", f.read())]


def ask_and_be_killed(t, stage, log, length):
    client = t.start(sys.executable, "-c", CLIENT, stage.uri(), str(length),
                     stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"asked\n"
    wait_until(lambda: zeroes_of(log), 20, "nothing is zeroed")
    client.kill()
    client.wait()


def later_is_kept(t):
    stage, log = start(t, 8 * MIB, DELAY)
    beside = open_nbd(stage.uri())
    begin = time.monotonic()
    ask_and_be_killed(t, stage, log, MIB)
    beside.pwrite(b"\x55" * MIB, 4 * MIB)
    beside.flush()
    if time.monotonic() - begin < DELAY:
        assert beside.pread(1, 4 * MIB) == b"\x55"
    else:
        t.say("too slow to say that a client beside it did not wait")
    later = open_nbd(stage.uri())
    later.pwrite(b"\xaa" * MIB, 0)
    later.flush()
    while time.monotonic() < begin + 2 * DELAY:
        assert later.pread(MIB, 0) == b"\xaa" * MIB, \
            "what was answered and flushed is gone"
        time.sleep(0.1)
    assert later.pread(MIB, 4 * MIB) == b"\x55" * MIB


def rest_is_left_out(t):
    stage, log = start(t, HUGE, "50ms")
    ask_and_be_killed(t, stage, log, HUGE)
    open_nbd(stage.uri()).shutdown()
    lengths = zeroes_of(log)
    assert max(lengths) <= PIECE, max(lengths)
    assert len(lengths) < HUGE // PIECE - PIECES_MOST, \
        f"{len(lengths)} pieces were sent for a client that is gone"


def whole_is_zeroed(t):
    stage, log = start(t, 100 * MIB + 512, 0)
    handle = open_nbd(stage.uri())
    size = handle.get_size()
    for offset, length in ((0, size), (PIECE - 5, 10), (512, 3 * PIECE),
                           (5 * PIECE, PIECE)):
        for at in range(0, size, MIB):
            handle.pwrite(b"\x11" * min(MIB, size - at), at)
        handle.zero(length, offset)
        for at in range(0, size, MIB):
            n = min(MIB, size - at)
            edges = (offset - at, offset + length - at)
            first, last = (max(0, min(n, edge)) for edge in edges)
            expect = b"\x11" * first + bytes(last - first) + b"\x11" * (n - last)
            assert handle.pread(n, at) == expect, (offset, length, at)
    assert max(zeroes_of(log)) == PIECE


def test(t):
    need_programs("nbdkit")
    whole_is_zeroed(t)
    rest_is_left_out(t)
    later_is_kept(t)


main(test)
