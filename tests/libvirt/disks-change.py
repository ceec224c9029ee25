#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh blockresize and detach-disk of a disk that is in a backup: the first is refused,
the second done, and the backup goes on and shows what was frozen.  Nothing of it
holds the image afterwards."""

from pullbacktest import (MIB, Daemon, Disk, freeze, main, nbdcopy, run, same,
                          start_load, stop_load, wait_until)
from pullbacktest.libvirtd import Domain, Libvirtd

SIZE = 16 * MIB


def targets(vm):
    return [line.split()[0] for line in
            vm.virsh("domblklist").stdout.splitlines() if line.strip()]


def test(t):
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", SIZE),
                           Disk("vdb", "qcow2", SIZE)], ordinary=True)
    daemon = Daemon(t, within=libvirtd.within)
    vm.add_to(daemon)
    start_load(t, vm, "rate=200", disks=["vda"])
    backup, references = freeze(t, vm, daemon)
    done = vm.virsh("blockresize", "vdb", f"{2 * SIZE >> 10}", check=False)
    t.check(done.returncode != 0, "blockresize was done")
    vm.virsh("detach-disk", "vdb")
    wait_until(lambda: "vdb" not in targets(vm), 20, "vdb stays")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path("copy"))
        same(references[name], t.path("copy"), name)
    notes = daemon.info()["notes"]
    t.check(any("unplugged" in note for note in notes), f"notes: {notes}")
    daemon.commit()
    vm.has_nothing_of_ours()
    # Takes the image's lock.
    run("qemu-io", "-f", "qcow2", "-c", "read 0 512", vm.disks["vdb"].path)
    vm.virsh("blockresize", "vda", f"{2 * SIZE >> 10}")
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
