#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: fuzz
"""Random and half-right lines to pullback-backupd's control socket: it must
live on and answer the next client.  FUZZ_SECONDS says how long."""

import json
import os
import time

from pullbacktest import Daemon, main, need
from pullbacktest.control import Control

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))
VERBS = ("domain-add", "domain-remove", "domain-list", "domain-info",
         "backup-begin", "backup-commit", "backup-abort", "backup-info",
         "backup-list", "checkpoint-list", "checkpoint-info", "version",
         "nonsense", "")
KEYS = ("name", "domain", "qmp", "disks", "checkpoint", "incremental",
        "strict", "tcp", "consumer", "x")


def value(random, depth=0):
    kind = random.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 7:
        return {random.choice(KEYS): value(random, depth + 1)
                for _ in range(random.randrange(4))}
    return random.choice((None, True, 0, -1, 1 << 63, 1e300, "", "vm1",
                          "/nonexistent", "a/b", "x" * 5000, "\0", "ü"))


def line(random):
    request = {"execute": random.choice(VERBS),
               "arguments": {random.choice(KEYS): value(random)
                             for _ in range(random.randrange(5))},
               "id": value(random)}
    data = bytearray(json.dumps(request).encode())
    for _ in range(random.choice((0, 0, 0, 1, 4))):
        data[random.randrange(len(data))] = random.randrange(256)
    return bytes(data).replace(b"\n", b" ") + b"\n"


def fuzz(t):
    daemon = Daemon(t)
    count, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = line(t.random)
        with Control(daemon.socket) as control:
            answer = control.answer(data)
        need(daemon.alive(), f"the daemon died of {data!r}")
        if answer is not None:
            need("return" in answer or "error" in answer,
                 f"{data!r} is answered by {answer}")
        count += 1
    daemon.cli("domain-list")
    t.say(f"{count} lines")


main(fuzz)
