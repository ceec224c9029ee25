#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A snapshot that nobody but QEMU knows of, so that the overlay has no bitmap: the next backup
is incremental, over several overlays, and after a discard, too.  It is full where the
overlay cannot keep in mind what was discarded, or has another size."""

from pullbacktest import (MIB, VM, Daemon, Disk, dirty_map, freeze, main,
                          nbdcopy, need, pull_dirty, run, same)

SIZE = 8 * MIB
GRANULE = 65536


class Machine:
    def __init__(self, t, daemon, name, form="raw"):
        self.t, self.daemon, self.name = t, daemon, name
        self.disk = Disk("vda", form, SIZE, path=t.path(f"{name}.base"))
        self.vm = VM(t, [self.disk], boot=False, name=name)
        self.copy = t.path(f"{name}.copy")
        daemon.add(self.vm, name=name)
        self.write("write -P 1 0 4M")
        self.take("mon")
        self.write("write -P 2 1M 64k")

    def write(self, command):
        said = self.vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/"
                               f"virtio-backend \"{command}\"")
        need(not said.strip() or "wrote" in said or "discard" in said, said)

    def snapshot(self, node, *options, size=SIZE):
        path = self.t.path(f"{self.name}.{node}")
        run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F",
            self.disk.form, "-b", self.disk.path, *options, path, str(size))
        self.vm.qmp("blockdev-add", {
            "driver": "qcow2", "node-name": node, "backing": None,
            "discard": "unmap",
            "file": {"driver": "file", "filename": path}})
        self.vm.qmp("blockdev-snapshot", node=self.disk.node, overlay=node)
        self.disk.node, self.disk.path, self.disk.form = node, path, "qcow2"

    def take(self, checkpoint, *since):
        backup, references = freeze(self.t, self.vm, self.daemon,
                                    "--checkpoint", checkpoint, *since,
                                    name=self.name)
        disk = backup["disk"]["vda"]
        dirty = 0
        if disk["mode"] == "full":
            nbdcopy(disk["uri"], self.copy)
        else:
            dirty = sum(n for _, n in dirty_map(disk["uri"], disk["context"]))
            pull_dirty(disk, self.copy)
        same(references["vda"], self.copy, f"{self.name}, {checkpoint}")
        self.daemon.commit(self.name)
        return disk["mode"], disk["reason"], dirty


def chain(t, daemon):
    machine = Machine(t, daemon, "chain")
    machine.snapshot("one")
    machine.write("write -P 3 2M 64k")
    machine.snapshot("two")
    machine.write("discard 3M 64k")
    machine.write("write -P 4 6M 64k")
    found = machine.take("tue", "--incremental", "mon")
    t.check(found == ("incremental", "", 4 * GRANULE), f"chain: {found}")
    found = machine.take("wed", "--incremental", "mon")
    t.check(found[:2] == ("incremental", ""), f"once more: {found}")


def full(t, daemon, name, *options, size=SIZE):
    machine = Machine(t, daemon, name, form="qcow2")
    machine.snapshot("one", *options, size=size)
    machine.write("write -P 3 2M 64k")
    mode, reason, _ = machine.take("tue", "--incremental", "mon")
    t.check((mode, reason) == ("full", "active-layer-changed"),
            f"{name}: {mode} {reason}")


def test(t):
    daemon = Daemon(t)
    chain(t, daemon)
    full(t, daemon, "old", "-o", "compat=0.10")
    full(t, daemon, "grown", size=2 * SIZE)


main(test)
