#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where QEMU takes too long to tell what is allocated in an overlay, whose tables it
reads slowly, the backup begins all the same: what it has not told counts as changed."""

import re

from pullbacktest import GIB, MIB, VM, Daemon, Disk, dirty_map, main, run

SIZE = 64 * GIB
TABLE = 512 * MIB               # of the disk, by one table
TABLES_PER_S = 8
HURRY = 40                      # of 120 s


def make_overlay(path):
    """With a cluster of each table."""
    run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
    words = [word for offset in range(0, SIZE, TABLE)
             for word in ("-c", f"write -q {offset} 64k")]
    run("qemu-io", "-f", "qcow2", "-t", "unsafe", *words, path)


def test(t):
    overlay = t.path("overlay")
    vm = VM(t, [Disk("vda", "raw", SIZE)], boot=False,
            more=["-object", "throttle-group,id=slow,x-bps-read="
                  f"{TABLES_PER_S * 65536}"])
    daemon = Daemon(t, env={"PULLBACK_HURRY": str(HURRY)})
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    make_overlay(overlay)
    vm.qmp("blockdev-add", {
        "driver": "qcow2", "node-name": "over", "backing": None,
        "file": {"driver": "throttle", "throttle-group": "slow",
                 "file": {"driver": "file", "filename": overlay}}})
    vm.qmp("blockdev-snapshot", node="node-vda", overlay="over")

    disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
    found = dirty_map(disk["uri"], disk["context"])
    t.check(disk["mode"] == "incremental", f"{disk['mode']} {disk['reason']}")
    told, length = found[-1]
    t.say(f"told: {told // MIB} MiB, in {len(found)} extents")
    t.check(0 < told < SIZE - TABLE and told + length == SIZE,
            f"the last extent is {found[-1]}")
    want = [(offset, 65536) for offset in range(0, told, TABLE)]
    t.check(found[:-1] == want[:len(found) - 1] and
            len(want) - len(found) in (-1, 0),
            f"{len(found)} extents, {found[:3]}")
    t.check(re.search(r"disk vda: all behind its first \d+ MiB \(of 65536\) "
                      "counts as changed since mon", daemon.log_text()),
            "the log does not tell")
    daemon.abort()


main(test)
