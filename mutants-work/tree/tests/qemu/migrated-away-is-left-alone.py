#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU whose virtual machine was migrated away, or saved, has given its images to
somebody else: nothing is begun there and no checkpoint changed, as that would open the
images again; nor in one that waits for a virtual machine.  Where the images are,
the chain goes on."""

from pullbacktest import (MIB, VM, Daemon, Destination, Disk, main, migrate,
                          migrate_well, take_checkpoints)


def bitmaps(vm):
    return vm.state()["bitmaps"].get("node-vda", [])


def refuses(t, daemon, vm, name):
    """Its bitmaps are in no QEMU, or in the other one."""
    for command in (("backup-begin", name, "--checkpoint", "no"),
                    ("checkpoint-create", name, "no"),
                    ("checkpoint-delete", name, "mon")):
        daemon.refuses(*command, saying=(name, "migrated"))
        t.check(not bitmaps(vm), f"{command[0]} opened the images again")


def goes_on(t, daemon, since, checkpoint, name="vm1"):
    disk = daemon.begin("--checkpoint", checkpoint, "--incremental",
                        since, name=name)["disk"]["vda"]
    t.check(disk["mode"] == "incremental",
            f"since {since}: {disk['mode']}, {disk['reason']}")
    daemon.commit(name)


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 16 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()

    # Saved to a file, and run again because that was all.
    t.check(migrate(vm, f"exec:cat >{t.path('saved')}") == "completed",
            "not saved")
    refuses(t, daemon, vm, "vm1")
    vm.resume()
    goes_on(t, daemon, "mon", "tue")

    # As libvirt has it: the images are taken when the guest is to run.
    there = Destination(t, vm, ["late-block-activate"])
    daemon.add(there, name="there")
    refuses(t, daemon, there, "there")
    vm.pause()
    migrate_well(vm, there)
    refuses(t, daemon, vm, "vm1")
    refuses(t, daemon, there, "there")
    there.resume()
    take_checkpoints(t, daemon, "vm1", "there", ["mon", "tue"])
    goes_on(t, daemon, "mon", "wed", "there")
    goes_on(t, daemon, "wed", "thu", "there")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
