#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest writes to a disk on an iothread while checkpoints come and go.  The range of
the one that stays has as much as a bitmap that nobody touched."""

import os
import time

from pullbacktest import TIB, VM, Daemon, Disk, main, need

# More finds more.
SECONDS = float(os.environ.get("SECONDS", "6"))


def dirty(vm):
    for node in vm.qmp("query-named-block-nodes"):
        if node["node-name"] == "node-vda":
            return {b["name"]: b["count"] // 65536
                    for b in node["dirty-bitmaps"]}
    return {}


def test(t):
    vm = VM(t, [Disk("vda", "raw", 4 * TIB, iothread=True)])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "base")
    vm.qmp("block-dirty-bitmap-add", node="node-vda", name="witness",
           granularity=65536)
    vm.guest("iops seed=1 disk=vda threads=4")
    rounds, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end or rounds < 6 \
            or dirty(vm)["witness"] < 1000:
        rounds += 1
        daemon.cli("checkpoint-create", "vm1", "newest")
        daemon.cli("checkpoint-delete", "vm1", "newest")
    need(vm.guest("stop")["errors"] == 0, "guest I/O errors")
    have = dirty(vm)
    t.say(f"{rounds} rounds, granules {have}")
    need(have == {"base": have["witness"], "witness": have["witness"]},
         f"the range lacks granules: {have}")


main(test)
