#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nbdcopy gets the right bytes, over unix and TCP, with 1 and 4 connections;
an unaligned disk too."""

from gatewaytest import MIB, Stage, need, output, same_bytes, seed, sparse

need("nbdcopy", "nbdkit")
with Stage() as stage:
    rng = seed()
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
            output("nbdcopy", f"--connections={connections}", uri, target)
            assert same_bytes(target, stage.image()), (uri, connections)
        output("nbdcopy", "--synchronous", uri, target)
        assert same_bytes(target, stage.image()), uri
