#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""Control clients that are many, idle or slow keep nobody else from the daemon:
the next one waits for its turn, and the daemon ends when it is told to."""

import json
import socket
import time

from pullbacktest import Daemon, main

# Of the files that the daemon may have, a quarter are for control clients.
FILES = 128
MOST = FILES // 4
MANY_FILES = 1024
MANY = MANY_FILES // 4


def connect(daemon):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(60)
    link.connect(daemon.socket)
    return link


def greeted(t, link, what):
    t.check(b"pullback" in link.recv(4096), f"{what} was not greeted")


def many_are_served(t, daemon):
    """All stay, and all get an answer."""
    links = [connect(daemon) for _ in range(200)]
    for link in links:
        greeted(t, link, "one of 200 clients")
    for link in links:
        link.sendall(b'{"execute": "version"}\n')
    for link in links:
        t.check("return" in json.loads(link.recv(4096)), "no answer")
        link.close()


def idle_ones_make_room(t, daemon):
    links = [connect(daemon) for _ in range(MOST)]
    for link in links:
        greeted(t, link, "an idle client")
    begin = time.monotonic()
    daemon.cli("version", timeout=60)
    t.say(f"with {MOST} idle clients a command took "
          f"{time.monotonic() - begin:.1f} s")
    closed = 0
    for link in links:
        link.setblocking(False)
        try:
            closed += link.recv(1) == b""
        except BlockingIOError:
            pass
        link.close()
    t.check(0 < closed < MOST, f"{closed} of {MOST} idle clients were cut")


def many_idle_ones_make_room(t, daemon):
    """The next one waits until those who came before it have their places."""
    links = [connect(daemon) for _ in range(2 * MANY - 10)]
    for link in links[:MANY]:
        greeted(t, link, "an idle client")
    begin = time.monotonic()
    daemon.cli("version", timeout=120)
    took = time.monotonic() - begin
    t.say(f"with {len(links)} idle clients a command took {took:.1f} s")
    t.check(took < 25, "those who wait are let in one by one")
    for link in links:
        link.close()


def slow_one_does_not_hold_the_end(t, daemon):
    """It asks and asks, and reads no answer."""
    link = connect(daemon)
    link.settimeout(3)
    try:
        while True:
            link.sendall(b'{"execute": "version"}\n' * 1000)
    except (TimeoutError, socket.timeout):
        pass
    daemon.terminate(deadline=15)
    link.close()


def test(t):
    daemon = Daemon(t)
    many_are_served(t, daemon)
    slow_one_does_not_hold_the_end(t, daemon)

    daemon.files = f"{FILES}:{FILES}"
    daemon.start()
    idle_ones_make_room(t, daemon)
    daemon.terminate(deadline=15)

    daemon.files = f"{MANY_FILES}:{MANY_FILES}"
    daemon.start()
    many_idle_ones_make_room(t, daemon)


main(test)
