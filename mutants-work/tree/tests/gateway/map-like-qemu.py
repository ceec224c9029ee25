#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A dirty map equals QEMU's own map of the same bitmap, extent for extent, and
base:allocation equals the holes of the file."""

import subprocess

from pullbacktest import MIB, main, need_programs, run
from pullbacktest.gateway import DIRTY, Stage, sparse
from pullbacktest.nbdserver import NbdServer

SIZE = 256 * MIB
GRANULE = 65536


def test(t):
    need_programs("nbdinfo", "nbdkit", "qemu-img", "qemu-io", "qemu-nbd")
    stage = Stage(t)
    rng = t.random
    qcow2 = stage.path("vda.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", qcow2, str(SIZE))
    run("qemu-img", "bitmap", "--add", "-g", str(GRANULE), qcow2,
        "backup-vda")
    granules = sorted(rng.sample(range(SIZE // GRANULE), 700))
    commands = [f"write -q {g * GRANULE} 512" for g in granules]
    subprocess.run(["qemu-io", "-f", "qcow2", qcow2], check=True, text=True,
                   input="\n".join(commands) + "\nquit\n",
                   stdout=subprocess.DEVNULL)
    peer = stage.path("peer.sock")
    qemu = NbdServer(t, ["qemu-nbd", "-r", "-t", "-f", "qcow2", "-k", peer,
                         "-x", "vda", "-B", "backup-vda", qcow2], peer)
    theirs = stage.map(DIRTY, uri=qemu.uri("vda"))

    pieces = [(g * GRANULE, GRANULE) for g in granules]
    sparse(stage.image("vda"), SIZE, [(MIB, MIB)], rng)
    sparse(stage.image("vda@dirty"), SIZE, pieces, rng)
    stage.start_upstream()
    stage.write_routes()
    stage.start_gateway()
    ours = stage.map(DIRTY)
    assert ours == theirs, (len(ours), len(theirs))
    assert len(ours) > 1000
    assert stage.map("base:allocation") == [
        (0, MIB, 3), (MIB, MIB, 0), (2 * MIB, SIZE - 2 * MIB, 3)]
    dirty = stage.map("base:allocation", export="vda@dirty")
    assert [(o, n, int(kind == 0)) for o, n, kind in dirty] == ours


main(test)
