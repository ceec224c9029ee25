# SPDX-License-Identifier: LGPL-2.1-or-later
"""What befalls a backup whose client gives back (--consume) what it has read."""

import errno
import threading
import time

import nbd

from pullbacktest import MIB, Failed
from pullbacktest.clients import fails, open_nbd

from fault_pull import sink_stopped
from fault_store import STAGE, SHORT, CUT, FaultyStore, store_fails
from stage import QUIET, RECONNECT, SETTLE
from table import Row

PACE = 0.02                     # seconds between two trims
AGAIN = 0.1                     # ... and two connections


class Trimmer:
    """Reads a disk once, compares, and gives back, whoever dies meanwhile."""

    def __init__(self, stage):
        self.uri = stage.backup["disk"]["vda"]["uri"]
        with open(stage.references["vda"], "rb") as stream:
            self.want = stream.read()
        self.at, self.wrong, self.refused, self.over = 0, [], 0, False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.at < len(self.want) and not self.over:
            try:
                self.trim_on(open_nbd(self.uri))
            except nbd.Error as error:
                # Its reply was lost, then, with the connection.
                if error.errno == "EPERM":
                    self.at += MIB
                    self.refused += 1
                time.sleep(AGAIN)

    def trim_on(self, handle):
        while self.at < len(self.want) and not self.over:
            data = handle.pread(MIB, self.at)
            if data != self.want[self.at:self.at + MIB]:
                self.wrong.append(self.at)
            handle.trim(MIB, self.at)
            self.at += MIB
            time.sleep(PACE)

    def wait(self):
        self.thread.join(SETTLE)
        if self.thread.is_alive():
            raise Failed(f"it has come to {self.at} of {len(self.want)} bytes")

    def check(self, connections):
        """At most one trim a connection was done and not answered."""
        if self.wrong or self.refused > connections:
            raise Failed(f"wrong at {self.wrong}, {self.refused} refused")


def all_given_back(uri, size):
    handle = open_nbd(uri)
    for at in range(0, size, MIB):
        fails(errno.EPERM, lambda: handle.pread(512, at))
    handle.shutdown()


def consumed(fault, connections=3):
    """FAULT (stage) happens while a client trims; what became of it."""
    def act(stage):
        stage.freeze("--checkpoint", "x", "--incremental", stage.base,
                     "--consume")
        trimmer = Trimmer(stage)
        fault(stage)
        state = stage.settled()
        trimmer.over = state != "ready"
        trimmer.wait()
        trimmer.check(connections)
        state = stage.settled()
        if state == "broken":
            return stage.end_backup()
        all_given_back(trimmer.uri, len(trimmer.want))
        stage.daemon.commit()
        return "goes on"
    return act


def killed(*roles):
    def fault(stage):
        stage.kill(*roles)
        if "daemon" in roles:
            stage.daemon.start()
    return fault


def rows():
    for roles, limit in ((("daemon",), QUIET), (("sink",), QUIET),
                         (("view",), QUIET), (("gateway",), QUIET),
                         (("view", "gateway"), QUIET),
                         (("daemon", "sink"), RECONNECT),
                         (("daemon", "sink", "view", "gateway"), RECONNECT)):
        who = "+".join(roles)
        yield Row(f"consume/kill/{who}", f"kill -9 of {who} while a client "
                  "trims", consumed(killed(*roles)), "goes on", limit)
    yield Row("consume/stop/sink", "SIGSTOP of the sink while a client trims",
              consumed(sink_stopped), "goes on", 12)
    yield Row("consume/store/slow", "scratch throttled to 1 MiB/s for 10 s while "
              "a client trims", consumed(store_fails(lambda s: s.slow(MIB), 10)),
              ("goes on", "broken: scratch-slow"), CUT, STAGE)
    yield Row("consume/store/full", "scratch full while a client trims",
              consumed(store_fails(lambda s: s.fill(MIB), SHORT)),
              ("goes on", "broken: scratch-full"), QUIET, STAGE)
    yield Row("consume/store/error", "scratch returns EIO while a client trims",
              consumed(store_fails(FaultyStore.fail, SHORT)),
              ("goes on", "broken: scratch-error"), QUIET, STAGE)
    yield Row("consume/store/frozen", "scratch hangs while a client trims",
              consumed(store_fails(FaultyStore.freeze)), "broken: scratch-slow", CUT,
              STAGE)
