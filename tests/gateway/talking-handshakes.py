#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that has all places of the handshake and talks in all of them keeps
nobody out, and who shakes hands beside it stays."""

import struct
import subprocess
import sys
import threading

from gatewaytest import RawClient, Stage, need, wait_for

need("nbdkit", "nbdinfo")
HANDSHAKES_MAX = 64
LIST = 3


def list_exports(client):
    client.option(LIST)
    while client.option_reply()[1] != 1:
        pass


def talk(path):
    """A process of its own: never leaves the handshake, never stops."""
    clients = []
    for _ in range(HANDSHAKES_MAX - 1):
        clients.append(RawClient(path))
        clients[-1].client_flags()
    print("ready", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
    while not ended.wait(0.2):
        for client in clients[:]:
            try:
                list_exports(client)
            except (EOFError, OSError, struct.error):
                clients.remove(client)


if len(sys.argv) > 1:
    talk(sys.argv[1])
    sys.exit(0)
with Stage() as stage:
    stage.start()
    with stage.raw() as person:
        person.client_flags()
        list_exports(person)
        with subprocess.Popen([sys.executable, __file__, stage.socket],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as talker:
            assert talker.stdout.readline() == "ready\n"

            def newcomer_gets_in():
                try:
                    return subprocess.run(
                        ["nbdinfo", "--size", stage.uri()], check=False,
                        timeout=10, stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL).returncode == 0
                except subprocess.TimeoutExpired:
                    return False
            wait_for("a place for a new client", newcomer_gets_in)
            list_exports(person)
            talker.stdin.close()
