#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Of a virtual machine of libvirt the disks that another may write to (<shareable/>), the
read-only ones and the empty drives are left out, each with its reason."""

from pullbacktest import MIB, Daemon, Disk, main
from pullbacktest.libvirtd import Domain, Libvirtd

# An empty drive has no node by which it could be known as libvirt's sda.
LEFT_OUT = {"vdb": "shareable", "vdc": "read-only", "sata0-0-0": "empty"}


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", 8 * MIB),
                           Disk("vdb", "raw", 8 * MIB, shareable=True),
                           Disk("vdc", "raw", 8 * MIB, readonly=True)],
                ordinary=True, boot=False, drives=["sda"])
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    disks = {disk["name"]: disk.get("unusable")
             for disk in daemon.cli("domain-info", "vm1")["disks"]}
    t.check(disks.pop("vda", "") is None and disks.keys() == LEFT_OUT.keys()
            and all(disks[name].startswith(why)
                    for name, why in LEFT_OUT.items()), f"{disks}")
    backup = daemon.begin("--checkpoint", "mon")
    t.check(list(backup["disk"]) == ["vda"], f"{backup['disk']}")
    t.check({disk["name"]: disk["reason"] for disk in backup["skipped"]} ==
            disks, f"skipped: {backup['skipped']}")
    daemon.commit()
    for name, why in LEFT_OUT.items():
        daemon.refuses("backup-begin", "vm1", "--disk", name,
                       saying=[name, why])
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
