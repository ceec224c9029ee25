#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Only data or block status that was served counts as activity, and a read that
upstream has not answered yet: not a connection, a handshake, an idle client, a
refused or a failed request."""

import os
import signal

from pullbacktest import MIB, kill, main, need_programs, run, wait_until
from pullbacktest.gateway import Stage

LONG_AGO = 1000
READ, WRITE, FLUSH, STATUS = 0, 1, 3, 7


def is_alone(stage):
    """The listening socket is the only one: all connections are over."""
    folder = f"/proc/{stage.gateway.pid}/fd"
    sockets = 0
    for name in os.listdir(folder):
        try:
            sockets += os.readlink(f"{folder}/{name}").startswith("socket:")
        except FileNotFoundError:
            return False
    return sockets == 1


def touches(stage, file, action):
    """Does the action, and waits until the gateway is done with it."""
    # It looks at the clock once a second only.
    wait_until(lambda: stage.clock() - stage.last > 1.1, 10,
               "time stands still")
    os.utime(file, (LONG_AGO, LONG_AGO))
    action()
    wait_until(lambda: is_alone(stage), 30, "a connection stays")
    touched = os.stat(file).st_mtime != LONG_AGO
    if touched:
        stage.last = stage.clock()
    return touched


class ActivityStage(Stage):
    last = 0

    @staticmethod
    def clock():
        with open("/proc/uptime", encoding="ascii") as f:
            return float(f.read().split()[0])


def connect(stage):
    stage.raw().close()


def converse(stage, *requests, structured=False):
    """Each request is (command, offset, length, data, size of the reply)."""
    with stage.raw() as client:
        client.go(structured=structured,
                  contexts=(b"base:allocation",) if structured else ())
        for command, offset, length, data, size in requests:
            client.request(command, offset, length, data=data)
            client.get(size)


def waiting_read_counts(stage):
    """While upstream, which answers no more, is waited for; an idle client
    that has no read under way still does not."""
    file = stage.path("activity")
    with stage.raw() as idle, stage.raw() as client:
        idle.go(structured=False)
        client.go(structured=False)
        kill(stage.upstream.process.pid, signal.SIGSTOP)
        try:
            os.utime(file, (LONG_AGO, LONG_AGO))
            wait_until(lambda: stage.clock() - stage.last > 4, 10, "no time")
            assert os.stat(file).st_mtime == LONG_AGO
            client.request(READ, 0, 512)
            for _ in range(2):
                os.utime(file, (LONG_AGO, LONG_AGO))
                wait_until(lambda: os.stat(file).st_mtime != LONG_AGO, 10,
                           "a read that waits does not count")
        finally:
            kill(stage.upstream.process.pid, signal.SIGCONT)
        client.get(16 + 512)


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = ActivityStage(t)
    stage.make_disk()
    trigger = stage.path("fail")
    stage.start_upstream("--filter=error", "error-rate=100%",
                         f"error-file={trigger}")
    stage.write_routes()
    file = stage.path("activity")
    with open(file, "wb"):
        pass
    stage.start_gateway("--activity", file)
    wait_until(lambda: is_alone(stage), 30, "the first connection stays")
    stage.last = stage.clock()
    assert not touches(stage, file, lambda: connect(stage))
    assert not touches(stage, file, lambda: run("nbdinfo", "--size",
                                                stage.uri()))
    assert not touches(stage, file, lambda: converse(stage))
    assert not touches(stage, file, lambda: converse(
        stage, (FLUSH, 0, 0, b"", 16), (WRITE, 0, 8, b"12345678", 16),
        (READ, 16 * MIB, 1, b"", 16), (READ, 0, 0, b"", 16)))
    assert not touches(stage, file, lambda: converse(
        stage, (STATUS, 16 * MIB, 1, b"", 20), structured=True))
    with open(trigger, "wb"):
        pass
    assert not touches(stage, file, lambda: converse(
        stage, (READ, 0, 512, b"", 16)))
    assert not touches(stage, file, lambda: converse(
        stage, (STATUS, 0, MIB, b"", 20), structured=True))
    os.unlink(trigger)
    assert touches(stage, file, lambda: converse(
        stage, (READ, 0, 512, b"", 16 + 512)))
    assert touches(stage, file, lambda: converse(
        stage, (STATUS, 0, MIB, b"", 20 + 4 + 8), structured=True))
    waiting_read_counts(stage)


main(test)
