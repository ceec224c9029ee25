#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bitmap that somebody made in a later QEMU under the name of one of our
checkpoints, which ended with the QEMU before: it is neither stopped by a new
checkpoint, nor deleted with ours, and no range reaches over it."""

from pullbacktest import MIB, VM, Daemon, Disk, main


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.cli("checkpoint-create", "vm1", "mon")
    vm.quit()
    vm.start()
    vm.qmp("block-dirty-bitmap-add", node="node-vda", name="mon",
           granularity=65536)

    def theirs():
        nodes = vm.qmp("query-named-block-nodes")
        return [bitmap["recording"] for node in nodes
                if node["node-name"] == "node-vda"
                for bitmap in node.get("dirty-bitmaps", [])
                if bitmap.get("name") == "mon"]

    daemon.begin("--incremental", "mon", "--checkpoint", "tue")
    daemon.commit()
    t.check(theirs() == [True], f"after a new checkpoint: {theirs()}")
    made = {c["name"]: c["disks"][0] for c in
            daemon.cli("checkpoint-list", "vm1")["checkpoints"]}
    t.check(made["tue"]["gap-before"], f"no gap before: {made['tue']}")
    daemon.begin("--checkpoint", "wed")
    daemon.abort()
    daemon.cli("checkpoint-delete", "vm1", "mon")
    t.check(theirs() == [True], f"after the deletion of ours: {theirs()}")


main(test)
