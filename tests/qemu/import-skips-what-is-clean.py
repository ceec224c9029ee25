#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The import of a bitmap asks QEMU once for each 4 GiB that are clean, not once for
each GiB, and the map is exact where changes lie at the borders of what it asks for."""

from pullbacktest import GIB, MIB, TIB, VM, Daemon, Disk, dirty_map, main
from pullbacktest.clients import open_nbd

SIZE = 2 * TIB
GRANULE = 65536
SKIP = 4 * GIB - MIB
STATUS = "block status"


def places(t):
    """Granules at and beside borders, runs across them, and some anywhere."""
    found = {0, SIZE // GRANULE - 1}
    for border in (GIB, SKIP, 2 * SKIP, GIB + SKIP, 5 * GIB, 700 * GIB):
        number = border // GRANULE
        found |= {number - 1, number, number + 1} if border != GIB \
            else {number - 1}
    found |= set(range(600 * GIB // GRANULE - 20, 600 * GIB // GRANULE + 20))
    return found | {t.random.randrange(SIZE // GRANULE) for _ in range(40)}


def make_dirty(t, vm, granules):
    path = t.path("w")
    vm.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": path}})
    vm.qmp("block-export-add", type="nbd", id="w", writable=True,
           node_name="node-vda", name="w")
    handle = open_nbd(f"nbd+unix:///w?socket={path}")
    for number in sorted(granules):
        handle.zero(512, number * GRANULE)
    handle.shutdown()
    vm.qmp("block-export-del", id="w", mode="hard")
    vm.qmp.wait_event("BLOCK_EXPORT_DELETED")
    vm.qmp("nbd-server-stop")


def asked(vm):
    """How many block status commands QEMU has had."""
    with open(vm.log_path, errors="replace") as log:
        return sum(STATUS in line for line in log)


def test(t):
    vm = VM(t, [Disk("vda", "raw", SIZE, device=False)], boot=False,
            more=["-trace", "nbd_co_receive_request_decode_type"])
    daemon = Daemon(t)
    daemon.add(vm, "--disk", "vda=node-vda")
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    want = places(t)
    make_dirty(t, vm, want)

    before = asked(vm)
    disk = daemon.begin("--incremental", "mon")["disk"]["vda"]
    count = asked(vm) - before
    have = {number for offset, length in dirty_map(disk["uri"], disk["context"])
            for number in range(offset // GRANULE,
                                -(-(offset + length) // GRANULE))}
    t.check(have == want, f"{len(have ^ want)} of {len(want)} are wrong: "
            f"{sorted(have ^ want)[:8]}")
    # Each change costs a few commands more than none would.
    limit = SIZE // SKIP + 4 * len(want)
    t.say(f"{count} commands for {SIZE // GIB} GiB, allowed are {limit}")
    t.check(0 < count <= limit, f"{count} commands, allowed are {limit}")
    daemon.abort()


main(test)
