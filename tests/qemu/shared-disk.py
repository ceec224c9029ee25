#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that another virtual machine may write to, too, is in no backup and no checkpoint:
what that one writes would be missing in the changes.  It is left out with the reason, and
refused where it is named (rule N7)."""

from pullbacktest import MIB, VM, Daemon, Disk, main


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB),
                Disk("vdb", "raw", 8 * MIB, shareable=True)], boot=False)
    other = VM(t, [Disk("vdb", "raw", 8 * MIB, path=vm.disks["vdb"].path,
                        shareable=True)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    disks = {disk["name"]: disk.get("unusable")
             for disk in daemon.cli("domain-info", "vm1")["disks"]}
    t.check(disks["vda"] is None and "shareable" in disks["vdb"],
            f"domain-info: {disks}")
    for name in ("mon", "tue"):
        backup = daemon.begin("--checkpoint", name, *(
            ["--incremental", "mon"] if name == "tue" else []))
        t.check(list(backup["disk"]) == ["vda"], f"{name}: {backup['disk']}")
        skipped = {disk["name"]: disk["reason"] for disk in backup["skipped"]}
        t.check("another virtual machine" in skipped.get("vdb", ""),
                f"skipped: {skipped}")
        daemon.commit()
    saying = ["vdb", "shareable"]
    daemon.refuses("backup-begin", "vm1", "--disk", "vdb", saying=saying)
    daemon.refuses("checkpoint-create", "vm1", "wed", "--disk", "vdb",
                   saying=saying)
    disks = {disk["name"]: len(disk["bitmaps"])
             for disk in daemon.cli("domain-info", "vm1")["disks"]}
    t.check(disks == {"vda": 2, "vdb": 0}, f"bitmaps: {disks}")
    daemon.add(other, name="vm2")
    daemon.refuses("backup-begin", "vm2", saying=["shared"])
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
