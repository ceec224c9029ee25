#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A backing file is restored while the VM is off: the overlay's bitmaps have not seen that,
so what is asked since a checkpoint before it is backed up in full, with that reason, also by the
next daemon; since a later one it is incremental, and right. So it is where a half restored one
was forgotten."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, nbdcopy, need,
                          pull_dirty, run, same)
from pullbacktest.restore import restore_begin, write_random

SIZE = 16 * MIB


class Machine:
    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False)
        self.daemon = Daemon(t)
        self.have = t.path("have")
        self.base = t.path("base.qcow2")
        self.vm.quit()
        path = self.vm.disks["vda"].path
        os.rename(path, self.base)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", self.base, "-F",
            "qcow2", path)
        self.vm.start()
        self.daemon.add(self.vm)

    def write(self, mib):
        said = self.vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/"
                               f"virtio-backend \"write -P {mib} {mib}M 1M\"")
        need(not said.strip(), f"qemu-io: {said}")

    def backup(self, mode, *words):
        begun, references = freeze(self.t, self.vm, self.daemon, *words)
        disk = begun["disk"]["vda"]
        self.t.check(disk["mode"] == mode, f"{words}: {disk}")
        if mode == "full":
            nbdcopy(disk["uri"], self.have)
        else:
            pull_dirty(disk, self.have)
        same(references["vda"], self.have, f"{mode} {words}")
        self.daemon.commit()
        return disk

    def restore_base(self, *end):
        """By another machine's restore."""
        source = write_random(self.t, self.t.path("source"), SIZE)
        self.vm.quit()
        info = restore_begin(self.daemon, "base", "--image", self.base,
                             "--format", "qcow2")
        run("nbdcopy", source, info["uri"]["vda"])
        for command in end:
            self.daemon.cli(*command.split())
        self.vm.start()


def nothing_is_forgotten(t, machine):
    """A ledger that cannot be read is not written over, and nothing is incremental."""
    path = os.path.join(machine.daemon.state, ".restore", ".ledger")
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("{")
    machine.backup("full", "--incremental", "c3")
    other = write_random(t, t.path("other"), MIB)
    restore_begin(machine.daemon, "other", "--image", other, "--format", "raw")
    machine.daemon.refuses("restore-commit", "other",
                           saying=(".ledger", "cannot be read"))
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    machine.daemon.cli("restore-commit", "other")
    machine.backup("incremental", "--incremental", "c3")


def test(t):
    machine = Machine(t)
    machine.backup("full", "--checkpoint", "c0")
    machine.write(2)
    machine.backup("incremental", "--incremental", "c0", "--checkpoint", "c1")
    for checkpoint, following, end in (
            ("c1", "c2", ["restore-commit base"]),
            ("c2", "c3", ["restore-abort base",
                          "restore-abort base --forget"])):
        machine.write(3)
        machine.restore_base(*end)
        machine.daemon.leave()
        machine.daemon.start()
        machine.daemon.refuses("backup-begin", "vm1", "--strict",
                               "--incremental", "c0",
                               saying=("c0", "image-restored"))
        disk = machine.backup("full", "--incremental", checkpoint,
                              "--checkpoint", following)
        t.check(disk["reason"] == "image-restored", f"{disk}")
        machine.write(4)
        machine.backup("incremental", "--incremental", following)
    nothing_is_forgotten(t, machine)
    machine.daemon.terminate()


main(test)
