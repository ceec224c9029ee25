#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of which not all can be read by their tables: encrypted ones, and those whose
header says that they are corrupt or have features that nobody knows, are read through QEMU;
of others only the compressed clusters are. One that is marked as dirty is as good as any."""

import shutil
import struct

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, run
from pullbacktest.chains import create_encrypted

SIZE = 8 * MIB
# The incompatible features, and of them:
FEATURES, DIRTY, CORRUPT, UNKNOWN = 72, 1, 2, 1 << 9


class Encrypted(Disk):
    def arguments(self):
        words = super().arguments()
        words[1] += ",encrypt.format=luks,encrypt.key-secret=s"
        return words


def make(t, name, *words):
    path = t.path(name + ".qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", *words, path, SIZE)
    return Disk(name, "qcow2", SIZE, path=path)


def compressed(t):
    disk = make(t, "packed")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 5 0 1M", disk.path)
    run("qemu-img", "convert", "-c", "-O", "qcow2", disk.path,
        disk.path + ".c")
    shutil.move(disk.path + ".c", disk.path)
    return disk


def features(path, change=0):
    """What they are; CHANGE: those that are to be others, behind QEMU's back."""
    with open(path, "r+b") as stream:
        stream.seek(FEATURES)
        have, = struct.unpack(">Q", stream.read(8))
        if change:
            stream.seek(FEATURES)
            stream.write(struct.pack(">Q", have ^ change))
    return have


def test(t):
    secret = create_encrypted(t.path("secret.qcow2"), SIZE)
    disks = [Encrypted("secret", "qcow2", SIZE, path=secret),
             make(t, "corrupt"), make(t, "future"), compressed(t),
             make(t, "dirty", "-o", "lazy_refcounts=on")]
    vm = VM(t, disks, boot=False, more=("-object", "secret,id=s,data=x"))
    for disk in disks:
        device = f"/machine/peripheral/{disk.name}/virtio-backend"
        start = "2M" if disk.name == "packed" else "0"
        said = vm.qmp.hmp(f'qemu-io -d {device} "write -P 5 {start} 1M"')
        t.check(said == "", f"{disk.name}: {said}")
    t.check(features(vm.disks["dirty"].path) & DIRTY, "is not dirty")
    changes = (("corrupt", CORRUPT), ("future", UNKNOWN))
    for name, change in changes:
        features(vm.disks[name].path, change)
    daemon = Daemon(t)
    daemon.add(vm)
    backup = daemon.begin()
    have = {disk["name"]: disk["source"] for disk in daemon.info()["disks"]}
    t.check(have == {"secret": "relay", "corrupt": "relay", "future": "relay",
                     "packed": "qcow2", "dirty": "qcow2"}, f"{have}")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path("copy"))
        with open(t.path("copy"), "rb") as stream:
            data = stream.read()
        places = [i for i in range(SIZE // MIB) if any(data[i * MIB:][:MIB])]
        t.check(places == ([0, 2] if name == "packed" else [0]) and
                all(data[i * MIB:][:MIB] == b"\5" * MIB for i in places),
                f"{name}: other data, at {places} MiB")
    daemon.commit()
    for name, change in changes:
        features(vm.disks[name].path, change)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
