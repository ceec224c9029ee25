#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""A client with 16 connections and deep queues leaves one with a single
connection its share of what the upstream server can do, whichever export they
read; alone it gets all."""

import subprocess
import sys
import time

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage

RATE = 16 * MIB                 # bytes per second that upstream can do
SECONDS = 2.0
# What was asked for before the other came is served first.
WARM_UP = 1.5
MANY = 16
# Of the whole, at least: half would be fair.
SHARE = 0.3
ALONE = 0.7


def pull(path, name, connections, depth):
    """A process of its own, as a client is one: says what it gets."""
    import nbd
    handles = []
    for _ in range(int(connections)):
        handle = nbd.NBD()
        handle.set_export_name(name)
        handle.connect_unix(path)
        handles.append(handle)
    size, got, offset = handles[0].get_size(), 0, 0
    length = 64 << 10

    def done(error):
        nonlocal got
        got += length
        return 1

    print("ready", flush=True)
    begin = begin_at = end = None
    buffers = [nbd.Buffer(length) for _ in range(int(depth))]
    while end is None or time.monotonic() < end:
        for handle in handles:
            while handle.aio_in_flight() < int(depth):
                handle.aio_pread(buffers[handle.aio_in_flight()], offset,
                                 done)
                offset = (offset + length) % size
        for handle in handles:
            handle.poll(0 if len(handles) > 1 else 5)
        if end is None and select_stdin():
            sys.stdin.readline()
            begin_at = time.monotonic() + WARM_UP
            end = begin_at + SECONDS
        if begin is None and begin_at and time.monotonic() > begin_at:
            begin = got
    print(got - begin, flush=True)
    sys.stdin.read()


def select_stdin():
    import select
    return select.select([sys.stdin], [], [], 0)[0]


class Client:
    def __init__(self, t, stage, name, connections, depth):
        self.process = t.start(
            sys.executable, __file__, stage.socket, name, connections, depth,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def rate(self):
        rate = int(self.process.stdout.readline()) / SECONDS
        self.process.stdin.close()
        self.process.wait()
        return rate


def measure(t, stage, *clients):
    clients = [Client(t, stage, *client) for client in clients]
    for client in clients:
        client.go()
    rates = [client.rate() for client in clients]
    t.say(", ".join(f"{rate / MIB:.1f} MiB/s" for rate in rates))
    return rates


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk(64 * MIB)
    stage.start_upstream("-t", "4", "--filter=rate", f"rate={RATE * 8}")
    stage.write_routes()
    stage.start_gateway()
    alone, = measure(t, stage, ("vda", MANY, 16))
    t.check(alone > ALONE * RATE, f"alone it gets {alone / MIB:.1f} MiB/s")
    for export in "vda", "vda@dirty":
        many, one = measure(t, stage, ("vda", MANY, 16), (export, 1, 16))
        t.check(one > SHARE * (many + one), f"{export}: one connection gets "
                f"{one / MIB:.1f} MiB/s beside {many / MIB:.1f}")


if len(sys.argv) > 1:
    pull(*sys.argv[1:])
    sys.exit(0)
main(test)
