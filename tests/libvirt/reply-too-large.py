#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: long
"""libvirt passes on no reply of QEMU's over 4 MiB.  Who asks is told so in one sentence, as
often as that happens; nothing is left, and when the reply is smaller all is well again."""

from pullbacktest import MIB, Daemon, Disk, main, need
from pullbacktest.libvirtd import Domain, Libvirtd

# Each of them takes 1,000 bytes of a reply, and more.
BITMAPS = 4500


def bitmaps(vm, kind):
    node = next(drive["inserted"]["node-name"] for drive in
                vm.qmp("query-block") if "inserted" in drive)
    for first in range(0, BITMAPS, 100):
        vm.qmp("transaction", actions=[
            {"type": f"block-dirty-bitmap-{kind}",
             "data": {"node": node, "name": f"{i:0>1000}"}}
            for i in range(first, first + 100)])


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", MIB)], boot=False)
    daemon = Daemon(t, within=libvirtd.within)
    daemon.cli("domain-add", "vm1", "--libvirt", libvirtd.uri)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    bitmaps(vm, "add")
    for _ in range(2):
        daemon.refuses("domain-info", "vm1", saying=["libvirt", "4 MiB"])
        daemon.refuses("backup-begin", "vm1", saying=["libvirt", "4 MiB"])
    bitmaps(vm, "remove")
    backup = daemon.begin("--checkpoint", "tue", "--incremental", "mon")
    need(backup["disk"]["vda"]["mode"] == "incremental", f"{backup}")
    daemon.commit()
    vm.has_nothing_of_ours()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
