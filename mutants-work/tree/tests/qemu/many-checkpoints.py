#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: alone
"""200 checkpoints on one disk: a backup since the oldest begins and freezes in a
time that does not grow out of hand, and the map is exact."""

import time

from pullbacktest import GIB, VM, Daemon, Disk, dirty_map, main, need
from pullbacktest.scenario import begin_within

COUNT = 200
GRANULE = 65536
# Far above what it takes on a busy machine.
BEGIN_SECONDS = 20.0
FROZEN_MS = 2000.0


def granule(number):
    # Spread over the disk, so that no bitmap is one short run.
    return number * 1237 % (16 * GIB // GRANULE)


def write(vm, disk, number):
    said = vm.qmp.hmp(
        f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
        f"\"write {granule(number) * GRANULE} 512\"")
    need(not said.strip(), f"qemu-io: {said}")


def timed_begin(t, daemon, what, *words):
    return begin_within(t, daemon, what, (BEGIN_SECONDS, FROZEN_MS),
                        *words)["disk"]


def check_map(t, disk, what, first):
    have = {g for o, n in dirty_map(disk["uri"], disk["context"])
            for g in range(o // GRANULE, (o + n) // GRANULE)}
    want = {granule(n) for n in range(first, COUNT)}
    t.check(have == want, f"{what}: {len(have ^ want)} granules are wrong")


def many(t, daemon, form):
    vm = VM(t, [Disk("vda", form, 16 * GIB)], boot=False)
    daemon.add(vm)
    start = time.monotonic()
    for number in range(COUNT):
        daemon.cli("checkpoint-create", "vm1", f"c{number}")
        write(vm, "vda", number)
    t.say(f"{form}: {COUNT} checkpoints made in "
          f"{time.monotonic() - start:.1f} s")

    # Once for the pages of a daemon that has run for long already.
    disk = timed_begin(t, daemon, f"{form} since c0", "--incremental", "c0",
                       "--checkpoint", "dropped")["vda"]
    check_map(t, disk, f"{form} since c0", 0)
    daemon.abort()
    daemon.terminate()
    daemon.start()
    disk = timed_begin(t, daemon, f"{form} since c0, new daemon",
                       "--incremental", "c0", "--checkpoint", "last")["vda"]
    check_map(t, disk, f"{form} since c0", 0)
    daemon.commit()

    start = time.monotonic()
    daemon.cli("checkpoint-delete", "vm1", "c150", "--children")
    t.say(f"{form}: 51 deleted in {time.monotonic() - start:.1f} s")
    have = len(vm.state()["bitmaps"]["node-vda"])
    t.check(have == 150, f"{form}: {have} bitmaps are left")
    disk = daemon.begin("--incremental", "c149")["disk"]["vda"]
    check_map(t, disk, f"{form} since c149", 149)
    daemon.abort()
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    vm.end()


def test(t):
    daemon = Daemon(t)
    for form in ("raw", "qcow2"):
        many(t, daemon, form)


main(test)
