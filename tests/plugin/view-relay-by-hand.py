#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base is an NBD server of the test's own (nbdkit eval), which does what
QEMU's seldom does: it calls data a hole that does not read as zeros, and while
it answers a read, every other granule of what was asked for becomes present."""

import os
import subprocess
import threading

import plugintest as t

G = t.GRANULE
GRANULES = 320
size = GRANULES * G
folder = t.scratch("/var/tmp")
if subprocess.run(["nbdkit", "eval", "--version"], stdout=subprocess.DEVNULL,
                  stderr=subprocess.DEVNULL).returncode != 0:
    t.skip("nbdkit has no eval plugin")


def base(name, **methods):
    socket = os.path.join(folder, name)
    return t.Server(["nbdkit", "-f", "-U", socket, "eval",
                     f"get_size=echo {size}",
                     *(f"{key}={text}" for key, text in methods.items())],
                    socket)


def view_of(server, disk):
    return t.nbdkit(os.path.join(folder, "view-" + disk), "role=view",
                    "fleece=" + folder, "disk=" + disk,
                    "relay=" + server.uri(""))


# What is not allocated need not be zero; what is zero is a hole for us.
t.write_store(folder, "holes", size)
server = base("holes-base", pread="head -c $3 /dev/zero", can_extents="exit 0",
              extents=f"echo 0 {64 * G} hole; echo {64 * G} {64 * G} zero; "
                      f"echo {128 * G} {64 * G} hole,zero; "
                      f"echo {192 * G} {size - 192 * G}")
view = view_of(server, "holes")
got = t.extents(t.connect(view.uri("holes"), "base:allocation"))
assert [[at // G, n // G, flags & 2] for at, n, flags in got] == \
    [[0, 64, 0], [64, 128, 2], [192, GRANULES - 192, 0]], got
view.end()
server.end()

# A read that takes as long as the test likes.
asked, go = os.path.join(folder, "asked"), os.path.join(folder, "go")
t.write_store(folder, "slow", size)
server = base("slow-base", pread=f"""
    touch {asked}
    while ! test -e {go}; do sleep 0.02; done
    head -c $3 /dev/zero | tr '\\0' n""")
view = view_of(server, "slow")
sink = t.nbdkit(os.path.join(folder, "sink"), "role=sink", "fleece=" + folder,
                "disk=slow")
for name in (asked, go):        # the view may have looked
    if os.path.exists(name):
        os.unlink(name)
reader, writer = t.connect(view.uri("slow")), t.connect(sink.uri("slow"))
result = []
thread = threading.Thread(target=lambda: result.append(reader.pread(size, 0)))
thread.start()
t.wait_for(lambda: os.path.exists(asked), "the read of the base")
for g in range(0, GRANULES, 2):
    writer.pwrite(b"o" * G, g * G)
open(go, "w").close()
thread.join(60)
assert result, "the read failed"
assert result[0] == (b"o" * G + b"n" * G) * (GRANULES // 2)
for server_ in (view, sink, server):
    server_.end()
