#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: sanitizers
# mark: slow
"""Idle clients, also ones that do not even shake hands, keep nobody out: a new
one gets a place, and it costs no client that is at work or waits for an answer.
One client cannot have all places."""

import socket
import subprocess
import sys
import threading

from pullbacktest import MIB, main, need_programs, run, wait_until
from pullbacktest.gateway import Stage
from pullbacktest.processes import end
from pullbacktest.rawnbd import RawClient

PEER_MAX = 128


def hold(path, count, how):
    """A process of its own: connects and does nothing more."""
    held = []
    for _ in range(count):
        if how == "transmission":
            client = RawClient.unix(path)
            client.go()
        else:
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
        held.append(client)
    print("ready", flush=True)
    sys.stdin.read()


def start_holder(stage, count, how):
    process = stage.t.start(
        sys.executable, __file__, stage.socket, count, how,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


class Worker:
    """A client that reads all the time."""

    def __init__(self, stage):
        self.client = stage.raw()
        self.client.go()
        self.stopping = False
        self.error = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        try:
            while not self.stopping:
                self.client.request(0, MIB, 65536)
                assert self.client.simple_reply() == (0, 1)
                self.client.get(65536)
        except (EOFError, OSError, AssertionError) as error:
            self.error = error

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.client.close()
        assert self.error is None, self.error


def newcomer_gets_in(stage):
    def attempt():
        return run("nbdinfo", "--size", stage.uri(),
                   check=False).returncode == 0
    wait_until(attempt, 30, "a new client gets no place")


def transmission(stage):
    holders = [start_holder(stage, 100, "transmission"),
               start_holder(stage, 100, "transmission")]
    worker = Worker(stage)
    waiting = stage.raw()
    waiting.go()
    waiting.request(0, 0, 16 * MIB)
    holders.append(start_holder(stage, 54, "transmission"))
    newcomer_gets_in(stage)
    worker.stop()
    with open(stage.image(), "rb") as f:
        content = f.read(16 * MIB)
    assert waiting.simple_reply() == (0, 1)
    assert waiting.get(16 * MIB) == content
    waiting.close()
    for holder in holders:
        end(holder)


def handshakes(stage):
    worker = Worker(stage)
    holders = [start_holder(stage, 90, "connect") for _ in range(3)]
    newcomer_gets_in(stage)
    worker.stop()
    for holder in holders:
        end(holder)


def one_client(stage):
    clients = []
    for _ in range(PEER_MAX):
        clients.append(stage.raw())
        clients[-1].go()
    # Others are not concerned.
    run("nbdinfo", "--size", stage.uri())
    # Its own oldest one goes, when it has been idle for long enough.
    for client in clients[1:]:
        client.request(0, 0, 512)

    def attempt():
        try:
            with stage.raw():
                return True
        except (EOFError, ConnectionError):
            return False
    wait_until(attempt, 30, "no place instead of an idle one")
    assert clients[0].is_cut()
    for client in clients[1:]:
        assert client.simple_reply() == (0, 1)


if len(sys.argv) > 1:
    hold(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    sys.exit(0)


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = Stage(t)
    stage.make_disk()
    stage.start_upstream("-t", "2")
    stage.write_routes()
    stage.start_gateway()
    transmission(stage)
    handshakes(stage)
    one_client(stage)


main(test)
