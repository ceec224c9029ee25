#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A full fleece store: QEMU's writes go on to succeed, the view says EIO to
all that it is asked from then on."""

import os
import subprocess
import atexit

import plugintest as t

folder = t.scratch("/var/tmp")
G = t.GRANULE
store = os.path.join(folder, "store")
os.mkdir(store)
if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", store],
                  stderr=subprocess.DEVNULL).returncode != 0:
    t.skip("cannot mount a tmpfs (root only)")
atexit.register(subprocess.run, ["umount", "-l", store])

size = 64 * G
image = os.path.join(folder, "image")
with open(image, "wb") as f:
    f.write(b"o" * size)
t.write_store(store, "vda", size)
sink = t.nbdkit(os.path.join(folder, "sink"), "role=sink", "fleece=" + store,
                "disk=vda")
view = t.nbdkit(os.path.join(folder, "view"), "role=view", "fleece=" + store,
                "disk=vda", "direct=" + image)
h = t.connect(sink.uri("vda"))
v = t.connect(view.uri("vda"), "base:allocation")
for g in range(10):
    h.pwrite(b"o" * G, g * G)
assert v.pread(size, 0) == b"o" * size
for g in range(10, 64):
    h.pwrite(b"o" * G, g * G)
h.zero(G, 0)
h.flush()
granules, state, reason = t.read_map(os.path.join(store, "vda.present"))
assert state == 1 and reason == 28, (state, reason)
assert 10 <= len(granules) < 32
for attempt in (lambda: v.pread(512, 0), lambda: v.pread(G, 63 * G),
                lambda: t.extents(v)):
    t.fails(5, attempt)
# a view that starts afterwards says the same
view2 = t.nbdkit(os.path.join(folder, "view2"), "role=view",
                 "fleece=" + store, "disk=vda", "direct=" + image)
t.fails(5, lambda: t.connect(view2.uri("vda")).pread(512, 0))
sink.end()
said = sink.process.stderr.read().decode()
assert said.count("the backup is broken") == 1 and "vda" in said, said
for server in (view, view2):
    server.end()
