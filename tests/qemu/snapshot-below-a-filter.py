#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of bitmaps of one name in a chain the lowest counts, also where a job's filter is above it
amid the chain, as block-stream of an image between puts one there."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run

SIZE = 4 * MIB


def snapshot(vm, below, path, node):
    run("qemu-img", "create", "-q", "-f", "qcow2", path, str(SIZE))
    vm.qmp("blockdev-add", {
        "driver": "qcow2", "node-name": node, "backing": None,
        "file": {"driver": "file", "filename": path}})
    vm.qmp("blockdev-snapshot", {"node": below, "overlay": node})


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)

    def expect(mode, when):
        disk = daemon.begin("--incremental", "tue")["disk"]["vda"]
        daemon.abort()
        t.check(disk["mode"] == mode, f"{when}: {disk}")

    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"write -P 1 0 {SIZE}\"")
    snapshot(vm, "node-vda", t.path("between"), "between")
    snapshot(vm, "between", t.path("top"), "top")
    daemon.cli("checkpoint-create", "vm1", "tue")
    expect("incremental", "tue is the overlay's")
    vm.qmp("block-stream", {"job-id": "stream", "device": "between",
                            "speed": 1})
    nodes = {node["drv"] for node in vm.qmp("query-named-block-nodes")}
    t.check("copy-on-read" in nodes, f"no filter: {nodes}")
    expect("incremental", "nothing below has its name")
    vm.qmp("block-dirty-bitmap-add", {"node": "node-vda", "name": "tue",
                                      "persistent": True})
    expect("full", "one below the filter has it")
    vm.qmp("block-job-cancel", {"device": "stream", "force": True})


main(test)
