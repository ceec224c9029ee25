#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client that has all places of the handshake and talks in all of them keeps
nobody out, and who shakes hands beside it stays."""

import struct
import subprocess
import sys
import threading

from pullbacktest import Failed, main, need_programs, run, wait_until
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import RawClient

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
        clients.append(RawClient.unix(path))
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


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = Stage(t)
    stage.start()
    with stage.raw() as person:
        person.client_flags()
        list_exports(person)
        talker = t.start(sys.executable, __file__, stage.socket,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
        assert talker.stdout.readline() == "ready\n"

        def newcomer_gets_in():
            try:
                return run("nbdinfo", "--size", stage.uri(), check=False,
                           timeout=30).returncode == 0
            except Failed:
                return False
        wait_until(newcomer_gets_in, 30, "a new client gets no place")
        list_exports(person)


main(test)
