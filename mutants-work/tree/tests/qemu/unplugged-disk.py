#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk is unplugged while it is in a backup, as virsh detach-disk does it: the
backup goes on and shows what was frozen; when it has ended nothing holds the
image, and the disk's chain goes on when it is back."""

import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, QmpError, main, nbdcopy, need,
                          pull_dirty, run, same, wait_until)

SIZE = 8 * MIB


def blockdevs(path):
    """libvirt's way: a node of its own for the file."""
    return [{"driver": "file", "node-name": "file-hot", "filename": path},
            {"driver": "qcow2", "node-name": "node-hot", "file": "file-hot"}]


def plug(t, vm, path, drive):
    if drive:
        # What -drive makes goes with its device, or with the last user.
        said = vm.qmp.hmp(f"drive_add 0 if=none,id=hot-drive,format=qcow2,"
                          f"node-name=node-hot,file={path}")
        need("OK" in said, said)
    else:
        for node in blockdevs(path):
            vm.qmp("blockdev-add", node)
    vm.qmp("device_add", driver="scsi-hd", id="hot", bus="s.0",
           drive="hot-drive" if drive else "node-hot")


def unplug(t, vm, drive):
    vm.qmp("device_del", id="hot")
    vm.qmp.wait_event("DEVICE_DELETED")
    if drive:
        return
    for node in ("node-hot", "file-hot"):
        try:
            vm.qmp("blockdev-del", node_name=node)
            t.check(False, f"QEMU removed {node} during the backup")
        except QmpError:
            pass


def nodes(vm):
    return [node["node-name"] for node in vm.qmp("query-named-block-nodes")
            if "hot" in node["node-name"] or "pullback" in node["node-name"]]


def write(vm, byte):
    said = vm.qmp.hmp(f"qemu-io -d hot \"write -P {byte} "
                      f"{byte * 65536} 4096\"")
    need(not said.strip(), f"qemu-io: {said}")
    vm.qmp.hmp("qemu-io -d hot flush")


def unplug_in_backup(t, vm, daemon, path, end, checkpoint, byte):
    """One plug, backup, unplug, end; the copy follows."""
    copy, reference = t.path("copy"), t.path("ref")
    plug(t, vm, path, False)
    write(vm, byte)
    run("qemu-img", "convert", "-U", "-O", "raw", path, reference)
    disk = daemon.begin("--disk", "hot", "--checkpoint", checkpoint,
                        "--incremental", "mon")["disk"]["hot"]
    t.check(disk["mode"] == "incremental",
            f"{checkpoint}: {disk['mode']} {disk['reason']}")
    write(vm, byte + 10)
    unplug(t, vm, False)
    pull_dirty(disk, copy)
    same(reference, copy, f"after the unplug, {checkpoint}")
    said = daemon.info()["notes"]
    t.check(any("unplugged" in note for note in said), f"notes: {said}")
    end()
    t.check(not nodes(vm), f"{checkpoint}: left {nodes(vm)}")
    # Takes the image's lock.
    run("qemu-io", "-f", "qcow2", "-c", "read 0 512", path)


def unplug_plainly(vm, drive):
    vm.qmp("device_del", id="hot")
    vm.qmp.wait_event("DEVICE_DELETED")
    for node in () if drive else ("node-hot", "file-hot"):
        vm.qmp("blockdev-del", node_name=node)


def first_backup(t, vm, daemon, path, drive):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path,
                    str(SIZE)], check=True)
    plug(t, vm, path, drive)
    disk = daemon.begin("--disk", "hot", "--checkpoint", "mon")["disk"]
    nbdcopy(disk["hot"]["uri"], t.path("copy"))
    daemon.commit()
    unplug_plainly(vm, drive)


def last_backup(t, vm, daemon, path, drive, since):
    plug(t, vm, path, drive)
    disk = daemon.begin("--disk", "hot", "--incremental",
                        since)["disk"]["hot"]
    t.check(disk["mode"] == "incremental", f"since {since}: {disk}")
    daemon.abort()
    daemon.cli("checkpoint-delete", "vm1", "mon", "--children")
    unplug_plainly(vm, drive)


def as_libvirt(t, vm, daemon):
    """Its nodes stay when the device goes."""
    path = t.path("nodes.qcow2")
    first_backup(t, vm, daemon, path, False)
    for n, end in enumerate((daemon.abort, daemon.abort, daemon.commit)):
        unplug_in_backup(t, vm, daemon, path, end, "tue", n + 1)
    have = [c["name"] for c in
            daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(have == ["mon", "tue"], f"checkpoints: {have}")
    last_backup(t, vm, daemon, path, False, "tue")


def as_drive(t, vm, daemon):
    """QEMU itself ends what uses a -drive when its device goes."""
    path = t.path("drive.qcow2")
    first_backup(t, vm, daemon, path, True)
    plug(t, vm, path, True)
    write(vm, 7)
    daemon.begin("--disk", "hot", "--checkpoint", "tue", "--incremental",
                 "mon")
    write(vm, 8)
    unplug(t, vm, True)
    info = wait_until(lambda: daemon.info()["state"] == "broken"
                      and daemon.info(), 20, "not broken")
    t.check("unplugged" in info["reason"], f"broken: {info['reason']}")
    daemon.refuses("backup-commit", "vm1", saying=("unplugged",))
    daemon.abort()
    t.check(not nodes(vm), f"left {nodes(vm)}")
    daemon.assert_nothing_left()
    # Its image has the bitmap of the aborted checkpoint.  Others go on.
    daemon.begin("--disk", "vda", "--checkpoint", "wed")
    daemon.commit()
    # When it is back all is as if it had been there: its changes and the name.
    reference = t.path("ref")
    plug(t, vm, path, True)
    write(vm, 9)
    run("qemu-img", "convert", "-U", "-O", "raw", path, reference)
    disk = daemon.begin("--disk", "hot", "--checkpoint", "tue",
                        "--incremental", "mon")["disk"]["hot"]
    t.check(disk["mode"] == "incremental", f"since mon: {disk}")
    pull_dirty(disk, t.path("copy"))
    same(reference, t.path("copy"), "after the abort without the disk")
    daemon.commit()
    have = [c["name"] for c in
            daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
    t.check(have == ["mon", "wed", "tue"], f"checkpoints: {have}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", SIZE)], boot=False,
            more=["-device", "virtio-scsi-pci,id=s"])
    daemon = Daemon(t)
    daemon.add(vm)
    as_libvirt(t, vm, daemon)
    as_drive(t, vm, daemon)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
