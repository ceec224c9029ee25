#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is allocated in overlays is asked for in pieces that are as large as a reply of
scattered clusters has room for: few for an overlay with half a million of them, more
where subclusters may be allocated by themselves.  The map is exact."""

import struct

from pullbacktest import GIB, MIB, VM, Daemon, Disk, dirty_map, main, run

CLUSTER = 65536
STATUS = "block status"
EXTENTS = 14336                 # of a command, of a socket with 128 KiB of room


def scatter(path, size):
    """Every second cluster of the qcow2 image PATH, a new one, gets a place; quicker
    than by QEMU."""
    entries = CLUSTER // 8
    tables, clusters = size // CLUSTER // entries, size // CLUSTER // 2
    with open(path, "r+b") as image:
        head = image.read(104)
        l1, refcounts = struct.unpack_from(">QQ", head, 40)
        l2 = -(-image.seek(0, 2) // CLUSTER) * CLUSTER
        data = l2 + tables * CLUSTER
        blocks = data + clusters * CLUSTER
        count = -(-(blocks // CLUSTER + 64) // (CLUSTER // 2))
        image.seek(l1)
        image.write(b"".join(struct.pack(">Q", 1 << 63 | l2 + n * CLUSTER)
                             for n in range(tables)))
        image.seek(l2)
        for n in range(0, clusters, entries // 2):
            image.write(b"".join(
                struct.pack(">QQ", 1 << 63 | data + (n + i) * CLUSTER, 0)
                for i in range(entries // 2)))
        image.seek(refcounts)
        image.write(struct.pack(f">{count}Q", *range(
            blocks, blocks + count * CLUSTER, CLUSTER)))
        image.seek(blocks)
        image.write(struct.pack(">H", 1) * (blocks // CLUSTER + count))
        image.truncate(blocks + count * CLUSTER)


def write_each(step, length):
    """Fills an image with LENGTH bytes of each STEP."""
    def fill(path, size):
        words = [word for offset in range(0, size, step)
                 for word in ("-c", f"write -q {offset} {length}")]
        for at in range(0, len(words), 2048):
            run("qemu-io", "-t", "unsafe", *words[at:at + 2048], path)
    return fill


def asked(vm):
    """How many block status commands QEMU has had."""
    with open(vm.log_path, errors="replace") as log:
        return sum(STATUS in line for line in log)


class Machine:
    def __init__(self, t, daemon, name, size):
        self.t, self.daemon, self.name, self.size = t, daemon, name, size
        self.disk = Disk("vda", "raw", size, path=t.path(f"{name}.base"))
        self.vm = VM(t, [self.disk], boot=False, name=name,
                     more=["-trace", "nbd_co_receive_request_decode_type"])
        daemon.add(self.vm, name=name)
        daemon.begin("--checkpoint", "mon", name=name)
        daemon.commit(name)

    def snapshot(self, node, fill=None, options=""):
        path = self.t.path(f"{self.name}.{node}")
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", self.disk.form,
            "-b", self.disk.path, *(["-o", options] if options else []), path)
        if fill is not None:
            fill(path, self.size)
        self.vm.qmp("blockdev-add", {
            "driver": "qcow2", "node-name": node, "backing": None,
            "file": {"driver": "file", "filename": path}})
        self.vm.qmp("blockdev-snapshot", node=self.disk.node, overlay=node)
        self.disk.node, self.disk.path, self.disk.form = node, path, "qcow2"

    def begin(self, least, most):
        """The map; so many block status commands are expected."""
        before = asked(self.vm)
        disk = self.daemon.begin("--incremental", "mon",
                                 name=self.name)["disk"]["vda"]
        count = asked(self.vm) - before
        self.t.say(f"{self.name}: {count} commands")
        self.t.check(disk["mode"] == "incremental", disk["reason"])
        self.t.check(least <= count <= most, f"{self.name}: {count} commands, "
                     f"expected are {least} to {most}")
        found = dirty_map(disk["uri"], disk["context"])
        self.daemon.abort(self.name)
        return found


def test(t):
    daemon = Daemon(t)

    many = Machine(t, daemon, "many", 64 * GIB)
    many.snapshot("over", fill=scatter)
    pieces = 64 * GIB // (EXTENTS * CLUSTER)
    found = many.begin(pieces, 2 * pieces)
    t.check(found == [(offset, CLUSTER) for offset in
                      range(0, 64 * GIB, 2 * CLUSTER)],
            f"{len(found)} extents, {found[:4]}")

    # Those of the lower overlay are the smallest: 2 KiB.
    mixed = Machine(t, daemon, "mixed", 512 * MIB)
    mixed.snapshot("lower", write_each(CLUSTER, 2048), "extended_l2=on")
    mixed.snapshot("upper", options="cluster_size=2M")
    pieces = 512 * MIB // (EXTENTS * 2048)
    found = mixed.begin(pieces, 2 * pieces)
    t.check(found == [(0, 512 * MIB)], f"{len(found)} extents, {found[:4]}")


main(test)
