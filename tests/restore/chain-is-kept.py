#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A qcow2 disk is restored while its VM is off: the bitmaps in it record that, and the next
incremental backup since each checkpoint has every byte.  Where qemu-storage-daemon was killed
amid it the chain ends, with the reason that is QEMU's own."""

import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, kill, main, nbdcopy,
                          need, pull_dirty, run, same, wait_until)
from pullbacktest.restore import restore_begin, restores, storage_daemon

SIZE = 16 * MIB


def write(vm, pattern, mib):
    said = vm.qmp.hmp(f"qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f"\"write -P {pattern} {mib}M 1M\"")
    need(not said.strip(), f"qemu-io: {said}")


def backup(t, vm, daemon, have, mode, *words):
    """HAVE becomes what the disk is now."""
    begun, references = freeze(t, vm, daemon, *words)
    disk = begun["disk"]["vda"]
    t.check(disk["mode"] == mode, f"{words}: {disk}")
    if mode == "full":
        nbdcopy(disk["uri"], have)
    else:
        pull_dirty(disk, have)
    same(references["vda"], have, f"{mode} {words}")
    daemon.commit()
    return disk


def restore(daemon, vm, source):
    info = restore_begin(daemon, "vm1", "--image", vm.disks["vda"].path,
                         "--format", "qcow2")
    run("nbdcopy", "--flush", source, info["uri"]["vda"])


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    one, two = t.path("one"), t.path("two")
    write(vm, 1, 1)
    backup(t, vm, daemon, one, "full", "--checkpoint", "c0")
    shutil.copyfile(one, two)
    write(vm, 2, 2)
    backup(t, vm, daemon, two, "incremental", "--incremental", "c0",
           "--checkpoint", "c1")
    write(vm, 3, 3)

    vm.quit()
    restore(daemon, vm, one)
    daemon.cli("restore-commit", "vm1")
    vm.start()
    write(vm, 4, 4)
    later = t.path("later")
    shutil.copyfile(one, later)
    backup(t, vm, daemon, later, "incremental", "--incremental", "c0")
    backup(t, vm, daemon, two, "incremental", "--incremental", "c1",
           "--checkpoint", "c2")

    vm.quit()
    restore(daemon, vm, one)
    kill(storage_daemon(daemon, "vm1"))
    wait_until(lambda: restores(daemon) == {"vm1": "broken"},
               message="it is not broken")
    daemon.cli("restore-abort", "vm1")
    restore(daemon, vm, one)
    daemon.cli("restore-commit", "vm1")
    vm.start()
    disk = backup(t, vm, daemon, two, "full", "--incremental", "c2")
    t.check(disk["reason"] == "bitmap-inconsistent", f"{disk}")
    daemon.terminate()


main(test)
