# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of which bitmaps say that parts have changed: pullback's checkpoint
CHECKPOINT, and one of QEMU's own beside it that has recorded the same."""

import random
import time

from pullbacktest import GIB
from pullbacktest.clients import open_nbd

CHECKPOINT = "mon"
RECORDING = "recording"
GRANULE = 65536
IN_FLIGHT = 64


def one_checkpoint(vm, way):
    """From here on both record."""
    for disk in vm.disks.values():
        vm.qmp("block-dirty-bitmap-add", node=disk.node, name=RECORDING,
               granularity=GRANULE)
    way.begin("--checkpoint", CHECKPOINT)
    way.daemon.commit(way.domain)


def scatter(t, vm, name, count, bitmaps=(CHECKPOINT, RECORDING)):
    """Adds COUNT granules, far from each other, to these bitmaps of a disk: by
    writes to a node that keeps nothing.  How many bytes that are."""
    disk = vm.disks[name]
    vm.qmp("blockdev-add", driver="null-co", node_name="nothing",
           size=disk.size)
    vm.qmp("block-dirty-bitmap-add", node="nothing", name="touched",
           granularity=GRANULE)
    with Dirt(t, vm, "nothing") as dirt:
        dirt.touch(count)
    for bitmap in bitmaps:
        vm.qmp("block-dirty-bitmap-merge", node=disk.node, target=bitmap,
               bitmaps=[{"node": "nothing", "name": "touched"}])
    vm.qmp("blockdev-del", node_name="nothing")
    return count * GRANULE


def first_status(uri, context):
    """Milliseconds until a client that is connected has one."""
    handle = open_nbd(uri, [context])
    start = time.monotonic()
    handle.block_status(GIB, 0, lambda *_: 0)
    took = time.monotonic() - start
    handle.shutdown()
    return took * 1000


class Dirt:
    """A writable export of a node that no guest device has, while it is open."""

    def __init__(self, t, vm, node):
        self.vm, self.node = vm, node
        self.path = t.path("dirt")

    def __enter__(self):
        qmp = self.vm.qmp
        qmp("nbd-server-start",
            addr={"type": "unix", "data": {"path": self.path}})
        qmp("block-export-add", type="nbd", id="dirt", writable=True,
            node_name=self.node, name="dirt")
        self.handle = open_nbd(f"nbd+unix:///dirt?socket={self.path}")
        return self

    def __exit__(self, *_):
        self.handle.shutdown()
        qmp = self.vm.qmp
        qmp("block-export-del", id="dirt", mode="hard")
        qmp.wait_event("BLOCK_EXPORT_DELETED")
        qmp("nbd-server-stop")

    def write(self, part, length):
        """Writes extents of LENGTH bytes, PART of the disk in all, at places that
        are the same each time.  How many bytes that are."""
        slots = self.handle.get_size() // length
        chosen = random.Random(1).sample(range(slots), int(slots * part))
        data = random.Random(2).randbytes(length)
        for slot in chosen:
            self.handle.pwrite(data, slot * length)
        return len(chosen) * length

    def touch(self, count):
        """Zero writes to COUNT granules, far from each other."""
        step = self.handle.get_size() // count // GRANULE * GRANULE
        for number in range(count):
            # What gives 1 retires the command at once.
            self.handle.aio_zero(512, number * step, completion=lambda error: 1)
            while self.handle.aio_in_flight() > IN_FLIGHT:
                self.handle.poll(-1)
        while self.handle.aio_in_flight() > 0:
            self.handle.poll(-1)
