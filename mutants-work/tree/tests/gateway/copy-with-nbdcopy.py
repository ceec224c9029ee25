#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nbdcopy gets the right bytes, over unix and TCP, with 1 and 4 connections;
an unaligned disk too."""

from pullbacktest import MIB, main, need_programs, run, same
from pullbacktest.gateway import Stage, sparse


def test(t):
    need_programs("nbdcopy", "nbdkit")
    stage = Stage(t)
    rng = t.random
    size = 64 * MIB + 12345
    sparse(stage.image(), size,
           [(rng.randrange(size - MIB), rng.randrange(1, MIB))
            for _ in range(60)] + [(size - 7, 7)], rng)
    sparse(stage.image("vda@dirty"), size, [], rng)
    stage.start_upstream()
    stage.write_routes()
    stage.start_gateway("--tcp", "0")
    for uri in stage.uri(), f"nbd://127.0.0.1:{stage.tcp_port()}/vda":
        for connections in 1, 4:
            target = stage.path("copy")
            run("nbdcopy", f"--connections={connections}", uri, target)
            same(target, stage.image(), f"{(uri, connections)}")
        run("nbdcopy", "--synchronous", uri, target)
        same(target, stage.image(), f"{uri}")


main(test)
