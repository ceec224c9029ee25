#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client has no more places for using several of this machine's own
addresses."""

import socket
import struct

from gatewaytest import DEADLINE, RawClient, Stage, need, wait_for

need("nbdkit")
PEER_MAX = 128


def connect(port, source):
    client = RawClient.__new__(RawClient)
    client.s = socket.create_connection(("127.0.0.1", port), DEADLINE,
                                        (source, 0))
    try:
        client.get(18)
        client.go()
    except (EOFError, ConnectionError, struct.error):
        client.s.close()
        return None
    return client


with Stage() as stage:
    stage.make_disk()
    stage.start_upstream("-t", "1")
    stage.write_routes()
    stage.start_gateway("--tcp", "0")
    number = stage.tcp_port()
    clients = []
    for i in range(PEER_MAX):
        clients.append(connect(number, f"127.0.0.{2 + i % 2}"))
        stage.callback(clients[-1].s.close)
    # Its own oldest one goes, when it has been idle for long enough.
    last = wait_for("a place instead of an idle one",
                    lambda: connect(number, "127.0.0.4"))
    stage.callback(last.s.close)
    assert clients[0].is_cut()
