#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""TCP clients whose machine vanishes without a word (its link goes down) are
noticed within --send-limit, whatever they were about: idle, waiting for an
answer, or taking a large one.  One that is there but slow is not."""

import os
import socket
import subprocess
import sys
import time

from pullbacktest import MIB, Skip, main, need_programs, wait_until
from pullbacktest.gateway import Stage
from pullbacktest.rawnbd import RawClient

LIMIT = 2
HERE, THERE = "10.213.0.1", "10.213.0.2"
DELAY = 1                       # of the upstream server, seconds
CLIENTS = ("idle", "shakes", "waits", "takes")


def connect(address, port):
    link = socket.create_connection((address, port), timeout=30)
    return RawClient(link)


def vanish(address, port):
    """In the other namespace: connects, says so, and does nothing more."""
    clients = {name: connect(address, int(port)) for name in CLIENTS}
    for name, client in clients.items():
        if name == "shakes":
            client.client_flags()
        else:
            client.go()
    clients["takes"].request(0, 0, 32 * MIB)
    clients["takes"].get(MIB)
    clients["waits"].request(0, 0, 4096)
    print("ready", flush=True)
    sys.stdin.read()


class OtherMachine:
    """A network namespace behind a link."""

    def __init__(self, t):
        self.holder = t.start("unshare", "--net", "cat",
                              stdin=subprocess.PIPE)
        mine = os.readlink("/proc/self/ns/net")
        wait_until(lambda: os.readlink(
            f"/proc/{self.holder.pid}/ns/net") != mine, 10, "no namespace")
        self.ip("link", "add", "here", "type", "veth", "peer", "name",
                "there", "netns", str(self.holder.pid), there=False)
        self.ip("addr", "add", f"{HERE}/24", "dev", "here", there=False)
        self.ip("link", "set", "here", "up", there=False)
        self.ip("addr", "add", f"{THERE}/24", "dev", "there")
        self.ip("link", "set", "there", "up")

    def inside(self, *words):
        return ["nsenter", "--net", "-t", str(self.holder.pid), *words]

    def ip(self, *words, there=True):
        command = ["ip", *words]
        subprocess.run(self.inside(*command) if there else command, check=True)


def established(port):
    """How many connections the gateway has."""
    with open("/proc/self/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(1 for row in rows if row[3] == "01"
               and int(row[1].split(":")[1], 16) == port)


def slow_one_stays(port):
    with connect(HERE, port) as client:
        client.go()
        client.request(0, 0, 8 * MIB)
        assert client.simple_reply() == (0, 1)
        left, started = 8 * MIB, time.monotonic()
        while time.monotonic() - started < 2 * LIMIT:
            left -= len(client.get(65536))
            time.sleep(LIMIT / 10)
        client.get(left)


def inside(t):
    stage = Stage(t)
    stage.make_disk(64 * MIB)
    stage.start_upstream("--filter=delay", f"rdelay={DELAY}")
    stage.write_routes()
    other = OtherMachine(t)
    stage.start_gateway("--tcp", f"{HERE}:0", "--send-limit", str(LIMIT))
    port = wait_until(
        lambda: [int(line.rsplit(":", 1)[1]) for line in
                 stage.log().splitlines() if f"on {HERE}:" in line],
        30, "no word of a TCP port")[0]
    client = t.start(*other.inside(sys.executable, __file__, "client", HERE,
                                   str(port)),
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "ready\n"
    # Before the answer for "waits" is there: nobody will say that it came.
    other.ip("link", "set", "there", "down")
    assert established(port) == len(CLIENTS), established(port)
    began = time.monotonic()
    wait_until(lambda: established(port) == 0, 60,
               lambda: f"{established(port)} are still there")
    took = time.monotonic() - began
    t.say(f"noticed after {took:.1f} s, the limit is {LIMIT} s")
    t.check(took <= 4 * LIMIT + DELAY, f"it took {took:.1f} s")
    other.ip("link", "set", "there", "up")
    slow_one_stays(port)


def test(t):
    need_programs("nbdkit", "ip", "nsenter", "unshare")
    if os.geteuid() != 0:
        raise Skip("only root can make network namespaces")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    inside(t)


if sys.argv[1:2] == ["client"]:
    vanish(sys.argv[2], sys.argv[3])
    sys.exit(0)
if sys.argv[1:2] != ["inside"] and os.geteuid() == 0:
    os.execvp("unshare", ["unshare", "--net", sys.executable, __file__,
                          "inside"])
main(test)
