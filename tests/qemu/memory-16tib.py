#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: alone
"""A sparse disk of 16 TiB with 100,000 scattered dirty granules: begin costs
what the granules cost, not what the disk would, and sink, view and gateway
together use less than 64 MiB and 2 MiB per TiB of disk and bitmap."""

import os
import time

from pullbacktest import (MIB, TIB, VM, Daemon, Disk, Skip, dirty_map, main,
                          need)
from pullbacktest.clients import open_nbd
from pullbacktest.processes import memory_of
from pullbacktest.scenario import begin_within

GRANULES = 100000
GRANULE = 65536
SIZE = 16 * TIB
# Seconds and frozen milliseconds, far above what begin takes on a busy machine
# and far below what reading a bitmap granule by granule would.
LIMITS = 20, 5000


def sparse_disks(t):
    """ext4 has files of 16 TiB, but for the last block."""
    try:
        descriptor = os.open(t.path("probe"), os.O_CREAT | os.O_WRONLY)
        os.ftruncate(descriptor, SIZE - MIB)
        os.close(descriptor)
    except OSError:
        raise Skip("this file system has no files of 16 TiB")
    os.unlink(t.path("probe"))
    return SIZE - MIB


def make_dirty(t, vm, name):
    """Zero writes through an export of the node: bits, but hardly data."""
    step = vm.disks[name].size // GRANULES // GRANULE * GRANULE
    handle = open_nbd(f"nbd+unix:///dirty-{name}?socket={t.path('w')}")
    # Completions that return 1 retire their command at once.
    for number in range(GRANULES):
        handle.aio_zero(512, number * step, completion=lambda error: 1)
        while handle.aio_in_flight() > 64:
            handle.poll(-1)
    while handle.aio_in_flight() > 0:
        handle.poll(-1)
    handle.shutdown()


def test(t):
    size = sparse_disks(t)
    # Nodes without a guest device, so that the test may write to them.
    vm = VM(t, [Disk("vda", "raw", size, device=False),
                Disk("vdb", "qcow2", size, device=False,
                     options=["cluster_size=2M"])], boot=False)
    daemon = Daemon(t)
    for name in vm.disks:
        daemon.add(vm, "--disk", f"{name}=node-{name}", name=name)
        one_disk(t, vm, daemon, name)
        daemon.cli("domain-remove", name, "--checkpoints-metadata")


def one_disk(t, vm, daemon, name):
    size = vm.disks[name].size
    daemon.begin("--checkpoint", "mon", name=name)
    daemon.commit(name)
    vm.qmp("nbd-server-start",
           addr={"type": "unix", "data": {"path": t.path("w")}})
    vm.qmp("block-export-add", type="nbd", id="dirty", writable=True,
           node_name=f"node-{name}", name=f"dirty-{name}")
    start = time.monotonic()
    make_dirty(t, vm, name)
    t.say(f"{name}: made dirty in {time.monotonic() - start:.1f} s")
    vm.qmp("block-export-del", id="dirty", mode="hard")
    vm.qmp.wait_event("BLOCK_EXPORT_DELETED")
    vm.qmp("nbd-server-stop")

    disk = begin_within(t, daemon, name, LIMITS, "--incremental", "mon",
                        name=name)["disk"][name]
    t.check(disk["mode"] == "incremental", f"{disk}")
    need(disk["dirty-bytes"] >= GRANULES * GRANULE,
         f"dirty-bytes: {disk['dirty-bytes']}")
    have = dirty_map(disk["uri"], disk["context"])
    t.check(len(have) == GRANULES and
            sum(n for _, n in have) == disk["dirty-bytes"],
            f"{len(have)} extents, dirty-bytes {disk['dirty-bytes']}")
    handle = open_nbd(disk["uri"])
    for offset, _ in have[:2000]:
        handle.pread(GRANULE, offset)
    handle.shutdown()

    # One bitmap for the dirty map and one for what is present.
    allowed = 64 * MIB + 2 * 2 * MIB * -(-size // TIB)
    used = {role: memory_of(pid) for role, pid in
            daemon.processes(name).items()}
    total = sum(pss for pss, _ in used.values())
    for role, (pss, rss) in used.items():
        t.say(f"{name}: {role} {pss >> 10} KiB (resident {rss >> 10} KiB)")
    if not os.environ.get("PULLBACK_PLUGIN_PRELOAD"):
        t.check(total < allowed,
                f"{total} bytes of memory, allowed are {allowed}")
    daemon.abort(name)
    daemon.assert_nothing_left()


main(test)
