#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that is killed again and again, as is the gateway, goes on where it
was by pullback:served, reads little twice, and ends up with every byte."""

import contextlib
import os
import subprocess
import sys

from pullbacktest import MIB, kill, main, need_programs, same
from pullbacktest.fleece import write_map
from pullbacktest.gateway import Stage, sparse

SIZE = 256 * MIB
STEP = 1 * MIB
EACH = 8 * MIB                  # confirmed at a time
KILLS = 6
AHEAD = 4                       # steps that it may be ahead of who kills it


def missing(handle):
    """[(offset, length)] that no client has confirmed."""
    found, size, offset = [], handle.get_size(), 0

    def collect(context, start, entries, error):
        for length, flags in zip(entries[::2], entries[1::2]):
            if not flags & 2:
                found.append((start, length))
            start += length
        return 0

    while offset < size:
        n = min(1 << 30, size - offset)
        handle.block_status(n, offset, collect)
        offset += n
    return found


def pull(uri, path):
    """The client, a process of its own; tells each byte that it reads, and is
    told so often that it may go on."""
    import nbd
    handle = nbd.NBD()
    handle.add_meta_context("pullback:served")
    handle.connect_uri(uri)
    out = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(out, handle.get_size())
    held = []

    def store():
        for data, offset in held:
            os.pwrite(out, data, offset)
        held.clear()
        os.fdatasync(out)
        handle.flush()

    for offset, length in missing(handle):
        while length > 0:
            n = min(length, STEP)
            sys.stdin.read(1)
            held.append((handle.pread(n, offset), offset))
            print(n, flush=True)
            offset, length = offset + n, length - n
            if len(held) >= EACH // STEP:
                store()
    store()
    handle.shutdown()


class Client:
    """It holds what it reads in memory for a while, so that what it was sent
    and has not confirmed is lost when it is killed."""

    def __init__(self, t, stage):
        self.t, self.stage, self.read = t, stage, 0

    def run(self, stop_after):
        """True: it was not killed, and has it all."""
        process = subprocess.Popen(
            [sys.executable, __file__, self.stage.uri(),
             self.t.path("copy")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL)
        got = 0
        with process.stdin as more, process.stdout as said:
            os.write(more.fileno(), b"." * AHEAD)
            for line in said:
                got += int(line)
                if got >= stop_after:
                    kill(process.pid)
                else:
                    with contextlib.suppress(BrokenPipeError):
                        os.write(more.fileno(), b".")
        self.read += got
        return process.wait() == 0


def kill_gateway(stage):
    process, stage.gateway = stage.gateway, None
    kill(process.pid)
    process.wait()
    stage.start_gateway("--served", stage.folder)


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    sparse(stage.image(), SIZE,
           [(o, 64 * MIB) for o in range(0, SIZE, 64 * MIB)], t.random)
    sparse(stage.image("vda@dirty"), SIZE, [(0, MIB)], t.random)
    stage.start_upstream()
    stage.write_routes()
    for kind in "sent", "confirmed":
        write_map(stage.path(f"vda.{kind}"), SIZE)
    stage.start_gateway("--served", stage.folder)
    client = Client(t, stage)
    for number in range(KILLS):
        stop = t.random.randrange(STEP, SIZE // KILLS)
        t.check(not client.run(stop), "it has it all although it was killed")
        if number % 2:
            kill_gateway(stage)
    t.check(client.run(2 * SIZE), "the last one failed")
    same(stage.image(), t.path("copy"), "the resumed pull")
    twice = client.read - SIZE
    t.say(f"{twice // MIB} MiB were read twice in {KILLS} kills")
    # A batch that was not confirmed, and what came while it was being killed.
    t.check(twice <= KILLS * 3 * EACH, f"{twice} bytes were read twice")


if len(sys.argv) > 1:
    pull(sys.argv[1], sys.argv[2])
    sys.exit(0)
main(test)
