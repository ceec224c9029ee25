#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""domain-info shows the bitmaps that have a name, and not those that a job of
QEMU's has for itself."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    vm.qmp("block-dirty-bitmap-add", node="node-vda", name="mine")
    vm.qmp("blockdev-add", driver="null-co", **{"node-name": "target"},
           size=8 * MIB)
    vm.qmp("blockdev-mirror", device="node-vda", target="target", sync="none",
           **{"job-id": "mirror"})
    shown = [bitmap for node in vm.qmp("query-named-block-nodes", flat=True)
             for bitmap in node.get("dirty-bitmaps", [])]
    t.check(any("name" not in bitmap for bitmap in shown),
            f"QEMU's mirror has no bitmap without a name: {shown}")
    disks = daemon.cli("domain-info", "vm1")["disks"]
    t.check([b.get("name") for b in disks[0]["bitmaps"]] == ["mine"],
            f"domain-info: {disks}")
    text = run("pullback", "--socket", daemon.socket, "domain-info",
               "vm1").stdout
    t.check("?" not in text, text)
    vm.qmp("block-job-cancel", device="mirror")


main(test)
