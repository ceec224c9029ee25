#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients with reads of 32 MiB do not make the upstream server keep 32 MiB for
each of its threads, and one with small reads is served meanwhile."""

import os
import threading

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage
from pullbacktest.processes import status_kib

COUNT = 12
ROUNDS = 4
THREADS = 4
SMALL_READS = 10                # at least, meanwhile
# Of a connection, as documented.
SHARE_KIB = 4096


def read_large(client, done, is_enough):
    """ROUNDS at least, and until IS_ENOUGH is set."""
    buffer, rounds = bytearray(MIB), 0
    while rounds < ROUNDS or not is_enough.is_set():
        rounds += 1
        client.request(0, 0, 32 * MIB)
        assert client.simple_reply() == (0, 1)
        left = 32 * MIB
        while left > 0:
            n = client.s.recv_into(buffer, min(left, MIB))
            assert n > 0
            left -= n
    done.append(client)


def test(t):
    need_programs("nbdkit")
    stage = Stage(t)
    stage.make_disk(32 * MIB)
    stage.start_upstream("-t", str(THREADS))
    stage.write_routes()
    stage.start_gateway()
    before = status_kib(stage.upstream.pid, "VmHWM")
    clients = [stage.raw() for _ in range(COUNT)]
    done = []
    for client in clients:
        client.go()
    small = stage.raw()
    small.go()
    is_enough = threading.Event()
    threads = [threading.Thread(target=read_large,
                                args=(client, done, is_enough), daemon=True)
               for client in clients]
    for thread in threads:
        thread.start()
    reads = 0
    while len(done) < COUNT and any(thread.is_alive()
                                     for thread in threads):
        small.request(0, MIB, 512)
        assert small.simple_reply() == (0, 1)
        small.get(512)
        reads += 1
        if reads == SMALL_READS:
            is_enough.set()
    for thread in threads:
        thread.join()
    assert len(done) == COUNT, len(done)
    grown = status_kib(stage.upstream.pid, "VmHWM") - before
    t.say(f"{COUNT} clients: {grown} KiB more, {reads} small reads")
    if "ASAN_OPTIONS" not in os.environ:
        assert grown < COUNT * SHARE_KIB + 32 * 1024, grown
    assert reads >= SMALL_READS, reads


main(test)
