#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The daemon is killed while it keeps an aborted backup's checkpoint for a disk
that was unplugged: both records are there, and name the same bitmap.  Back on
its disk, that is merged once, and the next delta has what was written."""

import os
import shutil

from pullbacktest import MIB, VM, Daemon, Disk, main, run


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "base")
    daemon.commit()
    daemon.begin("--checkpoint", "tent", "--incremental", "base")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vdb/virtio-backend "
               "\"write -P 7 0 1M\"")
    folder = f"{daemon.state}/vm1/checkpoints"
    vm.quit()
    daemon.assert_nothing_left(deadline=30)
    shutil.copy(f"{folder}/tent.xml", t.path("tent.saved"))
    vdb = vm.disks.pop("vdb")
    vm.start()
    daemon.cli("checkpoint-create", "vm1", "x", "--disk", "vda")
    daemon.cli("checkpoint-delete", "vm1", "x")
    kept = [name for name in os.listdir(folder) if "unplugged" in name]
    t.check(len(kept) == 1, f"kept: {os.listdir(folder)}")
    # As if it had been killed before the old record was removed.
    daemon.kill9()
    shutil.copy(t.path("tent.saved"), f"{folder}/tent.xml")
    os.unlink(t.path("tent.saved"))
    vm.quit()
    vm.disks["vdb"] = vdb
    vm.start()
    daemon.start()
    disk = daemon.begin("--incremental", "base")["disk"]["vdb"]
    t.check(disk["mode"] == "incremental", f"{disk}")
    dirty = run("nbdinfo", "--map=qemu:dirty-bitmap:backup-vdb",
                disk["uri"]).stdout.split()
    t.check(dirty[:3] == ["0", str(MIB), "1"], f"dirty: {dirty}")
    daemon.abort()
    t.check(sorted(os.listdir(folder)) == ["base.xml"],
            f"left: {os.listdir(folder)}")


main(test)
