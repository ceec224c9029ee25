#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NAME@LABEL: the bitmap is the allocation map; data where dirty, zeros where
clean. Several labels and disks; the list of exports; wrong names."""

import os
import subprocess

import plugintest as t

rnd = t.seeded()
folder = t.scratch("/var/tmp")
G = t.GRANULE
size = 30 * G + 12345
image = os.path.join(folder, "image")
frozen = bytearray(rnd.randbytes(size))
with open(image, "wb") as f:
    f.write(frozen)
present = {}
for g in rnd.sample(range(30), 10):
    present[g] = rnd.choice([rnd.randbytes(G), None])
    frozen[g * G:(g + 1) * G] = present[g] or bytes(G)
t.write_store(folder, "vda", size, present)
t.write_store(folder, "vdb", size, {})
bitmaps = {"dirty": (rnd.sample(range(31), 12), G),
           "mon": ([], G),
           "small": (rnd.sample(range(size // 4096), 200), 4096),
           "all": (range(31), G)}
for label, (granules, granule) in bitmaps.items():
    t.write_map(os.path.join(folder, "vda@%s.dirty" % label), size, granules,
                granule)
server = t.nbdkit(os.path.join(folder, "s"), "role=view", "fleece=" + folder,
                  "disk=vda", "direct=" + image,
                  *["bitmap=" + label for label in bitmaps],
                  "disk=vdb", "direct=" + image)

listed = subprocess.run(["nbdinfo", "--list", "--json", server.uri("")],
                        check=True, stdout=subprocess.PIPE).stdout.decode()
for name in ["vda", "vdb"] + ["vda@" + label for label in bitmaps]:
    assert '"export-name": "%s"' % name in listed, listed
for name in ("", "vdc", "vda@other", "vdb@dirty", "x" * 4000):
    t.fails(2, lambda: t.connect(server.uri(name)))

for label, (granules, granule) in bitmaps.items():
    want = bytearray(size)
    for g in granules:
        want[g * granule:(g + 1) * granule] = \
            frozen[g * granule:(g + 1) * granule]
    want = bytes(want[:size])
    h = t.connect(server.uri("vda@" + label), "base:allocation")
    assert h.get_size() == size and h.is_read_only() and h.can_multi_conn()
    assert h.pread(size, 0) == want, label
    for _ in range(100):
        offset = rnd.randrange(size)
        n = rnd.randrange(1, min(size - offset, 300000) + 1)
        assert h.pread(n, offset) == want[offset:offset + n]
    dirty = set()
    for offset, n, flags in t.extents(h):
        assert flags in (0, 3)
        assert offset % granule == 0
        if flags == 0:
            dirty |= set(range(offset // granule,
                               (offset + n + granule - 1) // granule))
    assert dirty == set(granules), label
    copy = os.path.join(folder, "copy")
    subprocess.run(["nbdcopy", server.uri("vda@" + label), copy], check=True)
    assert open(copy, "rb").read() == want

t.set_broken(folder, "vda")
for attempt in (lambda: h.pread(1, 0), lambda: t.extents(h)):
    t.fails(5, attempt)
# the other disk is well
t.connect(server.uri("vdb")).pread(size, 0)
