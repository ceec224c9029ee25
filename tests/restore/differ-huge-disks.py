#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Sparse disks of 16 TiB take seconds, and no disk more than 64 MiB of memory: not where
their maps have very many extents, nor where all is data and differs."""

import os
import subprocess
import time

from pullbacktest import GIB, MIB, TIB, main, need, need_programs
from pullbacktest.differ import serve

MEMORY = 64 * MIB
LONG = 200                      # seconds; to read it would take hours
PAGE = 4096


def measure(t, source, target, *words):
    """The seconds of one run, of which the memory is looked at."""
    start = time.monotonic()
    process = subprocess.Popen(["pullback-differ", *words, source.uri(""),
                                target.uri("")], stdout=subprocess.PIPE,
                               text=True)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    need(process.returncode == 0, out)
    seconds = time.monotonic() - start
    most = usage.ru_maxrss * 1024
    t.say(f"{seconds:.1f} s, {most / MIB:.0f} MiB at most: {out.strip()}")
    need(most <= MEMORY, f"{most} bytes of memory")
    return seconds


def poke(server, offsets, data):
    handle = server.connect("")
    for offset in offsets:
        handle.pwrite(data, offset)
    handle.shutdown()
    server.handles.remove(handle)


def sparse(t):
    size = 16 * TIB
    offsets = [t.random.randrange(size // MIB) * MIB for _ in range(50)]
    source, target = (serve(t, name, "memory", str(size))
                      for name in ("sparse", "there"))
    poke(source, offsets, b"1" * MIB)
    poke(target, [offset + 3 * PAGE for offset in offsets[::2]], b"2" * 8000)
    poke(target, [offset // 2 // MIB * MIB for offset in offsets], b"2" * 8000)
    need(measure(t, source, target, "--verify") < LONG, "it takes too long")
    for server in source, target:
        server.end()


def fragmented(t):
    """Maps of a million extents in which each page may be data; both are equal."""
    source, target = (serve(t, name, "sparse-random", f"size={8 * GIB}",
                            "percent=10", f"runlength={PAGE}", "seed=1",
                            "random-content=false")
                      for name in ("torn", "also-torn"))
    measure(t, source, target)
    for server in source, target:
        server.end()


def full(t):
    source = serve(t, "pattern", "pattern", str(2 * GIB))
    target = serve(t, "null", "--filter=noextents", "null", str(2 * GIB))
    measure(t, source, target)


def test(t):
    need_programs("nbdkit")
    sparse(t)
    fragmented(t)
    full(t)


main(test)
