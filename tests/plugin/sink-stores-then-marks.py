#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sink keeps what it is sent, once: a second write of a granule changes
nothing, zeros take no space, a kill loses nothing that was answered; writes
that are no whole granules break the backup but still succeed."""

import os

import plugintest as t

rnd = t.seeded()
folder = t.scratch("/var/tmp")
G = t.GRANULE
size = 40 * G + 512
t.write_store(folder, "vda", size)
t.write_store(folder, "vdb", size)
data_path = os.path.join(folder, "vda.data")
present_path = os.path.join(folder, "vda.present")
socket = os.path.join(folder, "s")
start = lambda: t.nbdkit(socket, "role=sink", "fleece=" + folder, "disk=vda",
                         "disk=vdb")

server = start()
h = t.connect(server.uri("vda"))
assert h.get_size() == size and not h.is_read_only()
assert h.can_zero() and h.can_fast_zero() and h.can_flush() and h.can_fua()
assert h.can_multi_conn() and not h.can_trim()
want, granules = bytearray(size), set()


def check():
    got, state, _ = t.read_map(present_path)
    assert got == granules and state == 0, (got ^ granules, state)
    with open(data_path, "rb") as f:
        assert f.read() == bytes(want)
    assert h.pread(size, 0) == bytes(want)


for round_ in range(100):
    first = rnd.randrange(41)
    count = rnd.randrange(1, 6)
    n = min(count * G, size - first * G)
    zero = rnd.random() < 0.3
    data = bytes(n) if zero else rnd.randbytes(n)
    for g in range(first, min(first + count, 41)):
        if g not in granules:
            granules.add(g)
            want[g * G:(g + 1) * G] = data[(g - first) * G:(g - first + 1) * G]
    if zero:
        h.zero(n, first * G, rnd.choice([0, 2, 16]))
    else:
        h.pwrite(data, first * G, rnd.choice([0, 1]))
    if round_ in (10, 25):
        # answered, so it is there
        server.kill()
        os.unlink(socket)
        server = start()
        h = t.connect(server.uri("vda"))
        check()
h.flush()
check()

h = t.connect(server.uri("vdb"))
h.zero(32 * G, 0)
assert os.stat(os.path.join(folder, "vdb.data")).st_blocks == 0
assert t.read_map(os.path.join(folder, "vdb.present"))[0] == set(range(32))
h.pwrite(b"x" * 512, 33 * G)
granules, state, reason = t.read_map(os.path.join(folder, "vdb.present"))
assert granules == set(range(32)) and state == 1 and reason == 22
h.pwrite(b"x" * G, 33 * G)
h.zero(G, 34 * G)
assert t.read_map(os.path.join(folder, "vdb.present"))[0] == set(range(32))
