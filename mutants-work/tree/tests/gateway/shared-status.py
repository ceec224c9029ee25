#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many clients with many contexts cost the upstream server a bounded number of
threads, and all get right answers at once."""

import json
import random
import struct
import threading

from pullbacktest import MIB, main, need_programs
from pullbacktest.gateway import Stage, sparse
from pullbacktest.processes import status_kib

CONTEXTS = 70
CLIENTS = 16
THREADS = 4
# Connections that contexts may have beyond one each.
EXTRA = 64
# Those and the data connections of all clients; each has a thread of its own,
# too.
MOST = (THREADS + 1) * (CLIENTS + EXTRA + CONTEXTS + 1) + 16


def make_contexts(stage, rng):
    """Each map has one dirty piece of its own."""
    contexts = []
    for i in range(CONTEXTS):
        sparse(stage.image(f"map{i}"), 16 * MIB, [(i * 65536, 65536)],
               rng)
        contexts.append({"name": f"x:{i}", "upstream": f"map{i}"})
    with open(stage.routes, "w", encoding="utf-8") as f:
        json.dump({"upstream": stage.view, "exports": [
            {"name": "vda", "upstream": "vda", "description": "",
             "contexts": contexts}]}, f)
    return [b"base:allocation"] + [c["name"].encode() for c in contexts]


def maps(client):
    """{context number: where it is dirty} of one question."""
    client.request(7, 0, 16 * MIB)
    found, flags = {}, 0
    while not flags & 1:
        flags, kind, _, data = client.chunk()
        assert kind == 5, (kind, data)
        number, *extents = struct.unpack(f">{len(data) // 4}I", data)
        offset = 0
        for length, dirty in zip(extents[::2], extents[1::2]):
            if dirty:
                found[number] = offset, length
            offset += length
    return found


def ask(client, failures):
    try:
        for _ in range(3):
            found = maps(client)
            for i in range(CONTEXTS):
                assert found[i + 1] == (i * 65536, 65536), (i, found)
    except Exception as error:  # pylint: disable=broad-except
        failures.append(error)


def all_ask(stage, names):
    clients, failures = [], []
    for _ in range(CLIENTS):
        clients.append(stage.raw())
        clients[-1].go(structured=True, contexts=names)
    threads = [threading.Thread(target=ask, args=(client, failures))
               for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    count = status_kib(stage.upstream.pid, "Threads")
    stage.t.say(f"{count} threads upstream, {MOST} may be")
    assert count <= MOST, count
    for client in clients:
        client.close()


def test(t):
    need_programs("nbdkit")
    scene = Stage(t)
    scene.make_disk()
    all_names = make_contexts(scene, random.Random(1))
    scene.start_upstream("-t", str(THREADS))
    scene.start_gateway()
    all_ask(scene, all_names)


main(test)
