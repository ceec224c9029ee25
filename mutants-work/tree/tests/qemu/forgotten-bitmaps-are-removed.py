#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bitmaps that domain-remove --checkpoints-metadata and checkpoint-delete
--metadata leave in QEMU can be removed by name, and no others."""

from pullbacktest import MIB, VM, Daemon, Disk, main


def bitmaps(vm):
    return sorted(
        (node["node-name"], bitmap["name"])
        for node in vm.qmp("query-named-block-nodes", flat=True)
        for bitmap in node.get("dirty-bitmaps", []))


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "c1")
    daemon.cli("checkpoint-create", "vm1", "c2", "--disk", "vdb")
    daemon.cli("domain-remove", "vm1", "--checkpoints-metadata")
    left = [("node-vda", "c1"), ("node-vdb", "c1"), ("node-vdb", "c2")]
    t.check(bitmaps(vm) == left, f"left: {bitmaps(vm)}")

    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "c3", "--disk", "vda")
    reply = daemon.cli("checkpoint-delete", "vm1", "c1", "--bitmaps")
    t.check(reply["bitmaps-of"] == ["vda", "vdb"], f"{reply}")
    t.check(bitmaps(vm) == [("node-vda", "c3"), ("node-vdb", "c2")],
            f"c1 is to be gone, and nothing else: {bitmaps(vm)}")
    before = vm.state()
    daemon.refuses("checkpoint-delete", "vm1", "c3", "--bitmaps",
                   saying=("c3", "vda", "checkpoint"))
    daemon.refuses("checkpoint-delete", "vm1", "c1", "--bitmaps",
                   saying=("c1", "no disk"))
    daemon.refuses("checkpoint-delete", "vm1", "c2", "--bitmaps",
                   "--children", saying=("bitmaps", "children"))
    daemon.begin()
    daemon.refuses("checkpoint-delete", "vm1", "c2", "--bitmaps",
                   saying=("backup", "running"))
    daemon.abort()
    vm.assert_clean(before)
    daemon.cli("checkpoint-delete", "vm1", "c2", "--bitmaps")
    t.check(bitmaps(vm) == [("node-vda", "c3")], f"left: {bitmaps(vm)}")


main(test)
