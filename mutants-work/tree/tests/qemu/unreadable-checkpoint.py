#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""A checkpoint file that cannot be read keeps no interrupted backup in QEMU: jobs,
exports, sink and stores go, and the bitmaps stay until the file can be read again;
then the checkpoint is merged back."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, pull_dirty, run,
                          wait_until)
from pullbacktest.refusal import check_error


def write(vm, number):
    said = vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f"\"write -P {number} {number * 65536} 65536\"")
    need(not said.strip(), f"qemu-io: {said}")


def all_but_journal(daemon):
    return [path for path in daemon.files_left()
            if os.path.basename(path) != "job.json"]


def forgotten(t, daemon):
    """Who forgets the checkpoints needs no file of theirs."""
    daemon.begin("--checkpoint", "lost")
    daemon.kill9()
    folder = os.path.join(daemon.state, "vm1", "checkpoints")
    with open(os.path.join(folder, "lost.xml"), "w") as stream:
        stream.write("<broken")
    daemon.start()
    wait_until(lambda: not all_but_journal(daemon), 40,
               lambda: f"left: {daemon.files_left()}")
    check_error(t, "StorageError",
                lambda: daemon.ask("domain-remove", name="vm1"), folder)
    daemon.ask("domain-remove", name="vm1", checkpoints_metadata=True)
    daemon.assert_nothing_left()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 4 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    disk = daemon.begin("--checkpoint", "base")["disk"]["vda"]
    copy = t.path("copy")
    run("nbdcopy", disk["uri"], copy)
    daemon.commit()
    before = vm.state()
    write(vm, 1)
    daemon.begin("--checkpoint", "gone", "--incremental", "base")
    write(vm, 2)
    daemon.kill9()
    path = os.path.join(daemon.state, "vm1", "checkpoints", "gone.xml")
    with open(path, "r+") as stream:
        text = stream.read()
        stream.seek(0)
        stream.write("<broken")
    daemon.start()
    wait_until(lambda: not all_but_journal(daemon) and not daemon.children(),
               40, lambda: f"left: {daemon.children()} {daemon.files_left()}")
    now = vm.state()
    for what in before:
        if what != "bitmaps":
            t.check(now[what] == before[what], f"{what}: {now[what]}")
    t.check("gone" in str(now["bitmaps"]), f"bitmaps: {now['bitmaps']}")
    check_error(t, "StorageError", lambda: daemon.ask("backup-begin",
                                                 domain="vm1"), path)
    daemon.terminate(status=3)
    with open(path, "w") as stream:
        stream.write(text)
    daemon.start()
    wait_until(lambda: not daemon.files_left(), 30,
               lambda: f"left: {daemon.files_left()}")
    vm.assert_clean(before)
    write(vm, 3)
    disk = daemon.begin("--incremental", "base")["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"{disk}")
    pull_dirty(disk, copy)
    with open(copy, "rb") as stream:
        for number in (1, 2, 3):
            stream.seek(number * 65536)
            t.check(stream.read(65536) == bytes([number]) * 65536,
                    f"write {number} is not in the copy")
    daemon.abort()
    daemon.assert_nothing_left()
    forgotten(t, daemon)


main(test)
