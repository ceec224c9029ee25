#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dirty map of an incremental backup is not on the scratch folder: storage there
that is full costs it no bit.  Where the runtime folder is on storage that loses what
it was given, the backup is broken and is not committed."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, dirty_map, main
from pullbacktest.loopfs import LoopFS, forget_pages, private_namespace

SIZE = 1 << 39
STEP = 2 << 30                  # each dirties one page of the map
WANT = [(at, 65536) for at in range(0, SIZE, STEP)]


def change_since(vm, daemon, checkpoint):
    daemon.begin("--checkpoint", checkpoint)
    daemon.commit()
    for at, _ in WANT:
        vm.guest(f"write vda {at} 4096 7")


def test(t):
    private_namespace()
    scratch, runtime = (LoopFS(t, t.path(name), room=24 * MIB)
                        for name in ("store", "memr"))
    vm = VM(t, [Disk("vda", "raw", SIZE)])
    daemon = Daemon(t, scratch=scratch.folder)
    daemon.add(vm)
    change_since(vm, daemon, "c0")
    scratch.fill(leave=256 << 10)
    disk = daemon.begin("--checkpoint", "c1", "--incremental", "c0")["disk"]["vda"]
    for name in ("vda.data", "vda@dirty.dirty"):
        if not os.path.exists(os.path.join(scratch.folder, "vm1", name)):
            continue
        forget_pages(os.path.join(scratch.folder, "vm1", name))
    t.check(dirty_map(disk["uri"], disk["context"]) == WANT, "bits are missing")
    daemon.commit()
    daemon.cli("domain-remove", "--checkpoints-metadata", "vm1")
    daemon.end()

    other = Daemon(t, name="mem")       # its runtime folder is RUNTIME
    other.add(vm)
    change_since(vm, other, "m0")
    runtime.fill(leave=256 << 10)
    other.begin("--checkpoint", "m1", "--incremental", "m0")
    folder = os.path.join(runtime.folder, ".maps/vm1")
    for name in ("vda.present", "vda@dirty.dirty"):
        forget_pages(os.path.join(folder, name))
    other.refuses("backup-commit", "vm1", saying=["broken", "vda"])
    other.abort()


main(test)
