#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Beside a guest that works the view reads just what it is asked for: what the
kernel would read ahead comes in one go, for which the guest waits. Where the guest
is idle the kernel may; of a raw disk, and of each file of a qcow2 one."""

import os
import subprocess

from pullbacktest import main, run
from pullbacktest.fleece import write_store
from pullbacktest.loopfs import LoopFS, forget_pages, private_namespace
from pullbacktest.nbdserver import nbdkit
from pullbacktest.pacefile import FIXED, write_pace, write_word

KIB, MIB = 1 << 10, 1 << 20
SIZE = 16 * MIB
HALF = SIZE // 2
PIECE, READ = 64 * KIB, MIB
# Header, L1 and L2 tables of the qcow2 image.
TABLES = 256 * KIB


def in_memory(path):
    done = subprocess.run(["fincore", "--bytes", "--noheadings", "--output",
                           "RES", path], capture_output=True, text=True,
                          check=True)
    return int(done.stdout)


def images(t, fs):
    """A raw one, and a qcow2 image of its second half above it."""
    raw, top = (os.path.join(fs.folder, name) for name in ("raw", "top"))
    with open(raw, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", raw, "-F", "raw", top)
    run("qemu-io", "-f", "qcow2", "-c", f"write -q -P 5 {HALF} {HALF}", top)
    return raw, top


def test(t):
    private_namespace()
    fs = LoopFS(t, t.path("fs"))
    raw, top = images(t, fs)
    write_store(t.folder, "vda", SIZE)
    pace = t.path("pace")

    def read_at(handle, offset):
        """What of both files is in memory after READ bytes one by one."""
        for path in raw, top:
            forget_pages(path)
            assert in_memory(path) == 0, path
        for at in range(offset, offset + READ, PIECE):
            handle.pread(PIECE, at)
        return in_memory(raw), in_memory(top)

    def look(name, base, offset, most):
        write_pace(pace)
        view = nbdkit(t, t.path(name + ".sock"), "role=view",
                      "fleece=" + t.folder, "disk=vda", base, "pace=" + pace)
        handle = view.connect("vda")
        for fixed, ahead in ((0, True), (1 << 30, False), (0, True)):
            write_word(pace, FIXED, fixed)
            got = sum(read_at(handle, offset))
            t.check(got > most if ahead else READ <= got <= most,
                    f"{name}, limit {fixed}: {got} bytes for {READ}")
        view.end()

    look("raw", "direct=" + raw, MIB, READ)
    chain = f"chain-path=qcow2:{top},raw:{raw}"
    look("qcow2-below", chain, MIB, READ + TABLES)
    look("qcow2-top", chain, HALF + MIB, READ + TABLES)


main(test)
