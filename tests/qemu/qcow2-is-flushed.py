#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU holds tables of qcow2 images in memory that say where what was written is: the view,
which reads the images itself, shows all that was written up to the freeze, in each layout of
an image, though nobody flushed it, also where an iothread serves the disk; and no disk is
read through QEMU."""

from pullbacktest import (MIB, VM, Daemon, LAYOUTS, chain, main, nbdcopy, same)

SIZE = 32 * MIB
WRITES = 60


def write(t, vm, name):
    """Nothing here flushes."""
    device = f"/machine/peripheral/{name}/virtio-backend"
    for _ in range(WRITES):
        length = t.random.randrange(1, 400) * 512
        offset = t.random.randrange((SIZE - length) // 512) * 512
        what = t.random.choice(["write -P 5", "write -P 77", "write -z",
                                "write -z -u", "discard"])
        said = vm.qmp.hmp(f'qemu-io -d {device} "{what} {offset} {length}"')
        t.check(said == "", f"{name}: {what}: {said}")


def test(t):
    disks = [chain(t, layout, SIZE) for layout in LAYOUTS]
    disks += [chain(t, "usual", SIZE, "o", direct=True),
              chain(t, "over", SIZE, "io", iothread=True),
              chain(t, "large", SIZE, "iolarge", iothread=True, direct=True)]
    vm = VM(t, disks, boot=False)
    vm.resume()
    daemon = Daemon(t)
    daemon.add(vm)
    for disk in disks:
        write(t, vm, disk.name)
    backup = daemon.begin()
    for disk in daemon.info()["disks"]:
        t.check(disk["source"].startswith("qcow2"),
                f"{disk['name']} is read by {disk['source']}")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path(f"{name}.copy"))
    # This flushes them.
    vm.pause()
    for name in backup["disk"]:
        vm.reference_copy(name, t.path("reference"))
        same(t.path("reference"), t.path(f"{name}.copy"), name)
    vm.resume()
    daemon.commit()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
