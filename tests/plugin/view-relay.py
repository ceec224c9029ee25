#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base is a qcow2 image behind an NBD server (qemu-nbd): data, holes,
parallel requests, and a server that is killed and comes back."""

import os
import shutil
import subprocess
import threading

import plugintest as t

if not shutil.which("qemu-nbd"):
    t.skip("no qemu-nbd")
rnd = t.seeded()
folder = t.scratch("/var/tmp")
G = t.GRANULE
size = 100 * G + 1536
raw = os.path.join(folder, "raw")
base = bytearray(size)
base[:50 * G] = rnd.randbytes(50 * G)
base[70 * G:] = rnd.randbytes(size - 70 * G)
with open(raw, "wb") as f:
    f.write(base)
qcow2 = os.path.join(folder, "qcow2")
subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2],
               check=True)
relay_socket = os.path.join(folder, "relay")
start = lambda: t.Server(["qemu-nbd", "-r", "-t", "-e", "8", "-f", "qcow2",
                          "-x", "live", "-k", relay_socket, qcow2],
                         relay_socket)
relay = start()
present = {g: rnd.choice([rnd.randbytes(G), None])
           for g in rnd.sample(range(100), 30)}
frozen = bytearray(base)
for g, data in present.items():
    frozen[g * G:(g + 1) * G] = data or bytes(G)
frozen = bytes(frozen)
t.write_store(folder, "vda", size, present)
view = t.nbdkit(os.path.join(folder, "s"), "role=view", "fleece=" + folder,
                "disk=vda", "relay=" + relay.uri("live"))
h = t.connect(view.uri("vda"), "base:allocation")
assert h.pread(size, 0) == frozen
for offset, n, flags in t.extents(h):
    for at in range(offset, offset + n, G):
        g = at // G
        hole = present[g] is None if g in present else 50 <= g < 70
        assert (flags == 3) == hole, (g, flags)

wrong = []


def reader(seed):
    import random
    dice = random.Random(seed)
    mine = t.connect(view.uri("vda"))
    for _ in range(60):
        offset = dice.randrange(size)
        n = dice.randrange(1, min(size - offset, 1 << 20) + 1)
        if mine.pread(n, offset) != frozen[offset:offset + n]:
            wrong.append((offset, n))


threads = [threading.Thread(target=reader, args=(rnd.random(),))
           for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not wrong, wrong

relay.kill()
os.unlink(relay_socket)
t.fails(5, lambda: h.pread(size, 0))
relay = start()
assert h.pread(size, 0) == frozen
copy = os.path.join(folder, "copy")
subprocess.run(["nbdcopy", view.uri("vda"), copy], check=True)
assert open(copy, "rb").read() == frozen

t.write_store(folder, "big", size + G)
said = t.refused("role=view", "fleece=" + folder, "disk=big",
                 "relay=" + relay.uri("live"))
assert "is it the right export" in said, said
said = t.refused("role=view", "fleece=" + folder, "disk=vda",
                 "relay=nbd+unix:///x?socket=/nonexistent")
assert "/nonexistent" in said, said
for server in (view, relay):
    server.end()
