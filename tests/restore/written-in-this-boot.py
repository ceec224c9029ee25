#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Maps of what was written are not synced: after the host was started again one
without bits proves nothing, and an image that clients could write to is half restored."""

import json
import os

from pullbacktest import Daemon, MIB, kill, main
from pullbacktest.restore import (MARK, process_of, restore_begin, restores,
                                  write_random)

SIZE = 4 * MIB


def test(t):
    daemon = Daemon(t)
    path = write_random(t, t.path("disk.raw"), SIZE)
    for boot, left in (None, {}), ("another", {"disk": "half"}):
        restore_begin(daemon, "--image", path, "--format", "raw")
        daemon.kill9()
        kill(process_of(daemon, "disk", "plugin"))
        journal = daemon.state + "/.restore/disk.json"
        with open(journal, encoding="utf-8") as stream:
            record = json.load(stream)
        record["boot"] = boot or record["boot"]
        with open(journal, "w", encoding="utf-8") as stream:
            json.dump(record, stream)
        daemon.start()
        t.check(restores(daemon) == left, f"{boot}: {restores(daemon)}")
        t.check(os.path.exists(path + MARK) == bool(left), f"{boot}: mark")
    daemon.cli("restore-abort", "disk", "--forget")
    daemon.terminate()


main(test)
