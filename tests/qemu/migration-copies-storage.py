#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A migration that copies storage, as virsh migrate --copy-storage-all does it: QEMU
refuses its first step while a backup is open, which goes on; while it runs, a backup is
refused; and the first one after it, incremental as the bitmaps have come along, has all
changes."""

from pullbacktest import (MIB, VM, Daemon, Destination, Disk, QmpError,
                          incremental_there, main, migrate_well, nbdcopy, need,
                          same, switch_on, wait_until)

SIZE = 8 * MIB


class There(Destination):
    """With images of its own."""

    def start(self):
        for disk in self.disks.values():
            disk.path = f"{disk.path}.there"
        super().start()


def write(vm, byte):
    for command in (f"write -P {byte} {byte * 65536} 4096", "flush"):
        said = vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                          f"\"{command}\"")
        need(not said.strip(), f"qemu-io: {said}")


def begin_mirror(vm, place):
    vm.qmp("blockdev-add", driver="nbd", node_name="target", export="vda",
           server={"type": "unix", "path": place})
    vm.qmp("blockdev-mirror", job_id="mirror", device="node-vda",
           target="target", sync="full")


def job_status(vm):
    return [job["status"] for job in vm.qmp("query-jobs")
            if job["id"] == "mirror"]


def test(t):
    disk = Disk("vda", "qcow2", SIZE)
    vm = VM(t, [disk], boot=False)
    daemon, copy, place = Daemon(t), t.path("copy"), t.path("storage")
    daemon.add(vm)
    backup = daemon.begin("--checkpoint", "mon")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    daemon.commit()
    path = disk.path
    there = There(t, vm, ["dirty-bitmaps"])
    disk.path = path
    there.qmp("nbd-server-start", addr={"type": "unix",
                                        "data": {"path": place}})
    there.qmp("block-export-add", type="nbd", id="vda", node_name="node-vda",
              name="vda", writable=True)
    write(vm, 1)
    daemon.begin("--checkpoint", "lost", "--incremental", "mon")
    try:
        begin_mirror(vm, place)
        t.check(False, "a disk that has a backup is mirrored")
    except QmpError as error:
        t.say(f"blockdev-mirror: {error}")
    t.check(daemon.info()["state"] == "ready", "the backup does not go on")
    daemon.abort()
    vm.qmp("blockdev-del", node_name="target")
    begin_mirror(vm, place)
    wait_until(lambda: job_status(vm) == ["ready"], 30, "no mirror")
    daemon.refuses("backup-begin", "vm1", saying=("mirror",))
    write(vm, 2)
    reference = vm.reference_copy("vda", t.path("ref"))
    vm.qmp("block-job-cancel", device="mirror")
    wait_until(lambda: not job_status(vm), 30, "the mirror does not end")
    switch_on(vm, "dirty-bitmaps")
    migrate_well(vm, there)
    there.qmp("nbd-server-stop")
    there.resume()
    daemon.add(there, name="there")
    disk.path = f"{path}.there"
    incremental_there(t, daemon, there, copy)
    same(reference, copy, "what was mirrored")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
