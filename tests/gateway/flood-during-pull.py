#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""1,000 malformed handshakes and 200 idle connections during a pull: it goes on,
at all times, and a new client still gets in."""

import socket
import threading
import time

from pullbacktest import MIB, main, need_programs, run
from pullbacktest.gateway import Stage
from pullbacktest.hostile import Idlers, handshakes

LONGEST = 15.0                  # seconds without a byte


class Pull:
    def __init__(self, stage):
        self.client = stage.raw()
        self.client.go()
        self.content = stage.content()
        self.ended = False
        self.error = None
        self.bytes = 0
        self.longest = 0.0
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        try:
            while not self.ended:
                for offset in range(0, len(self.content), MIB):
                    began = time.monotonic()
                    self.client.request(0, offset, MIB)
                    assert self.client.simple_reply() == (0, 1)
                    got = self.client.get(MIB)
                    assert got == self.content[offset:offset + MIB], offset
                    self.bytes += MIB
                    self.longest = max(self.longest,
                                       time.monotonic() - began)
        except Exception as error:
            self.error = error

    def end(self):
        self.ended = True
        self.thread.join()


def test(t):
    need_programs("nbdkit", "nbdinfo")
    stage = Stage(t)
    stage.start()

    def connect():
        link = socket.socket(socket.AF_UNIX)
        link.connect(stage.socket)
        return link

    pull = Pull(stage)
    t.defer(pull.end)
    Idlers(t, connect)
    t.check(handshakes(connect, t.random) == 1000, "some were not cut off")
    run("nbdinfo", "--size", stage.uri(), timeout=60)
    pull.end()
    t.say(f"{pull.bytes // MIB} MiB meanwhile, at most {pull.longest:.2f} s "
          "without any")
    t.check(pull.error is None, f"the pull failed: {pull.error}")
    t.check(pull.bytes > 0 and pull.longest < LONGEST, "the pull stood still")


main(test)
