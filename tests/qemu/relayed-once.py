#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rule D10: what is near a guest write is read through QEMU once where the disk's images
have no clusters, or none larger than a granule, also by the view of a daemon that took
the backup over; twice where the clusters are large, or of a kind that is not known."""

import os
import re

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, nbdcopy, same,
                          wait_until)

SIZE = 64 * MIB


class Slow(Disk):
    """A node in between that nothing is known of."""

    def arguments(self):
        words = super().arguments()
        return [word.replace("file.driver=file,", "file.driver=throttle,"
                             "file.throttle-group=none,file.file.driver=file,")
                .replace("file.filename", "file.file.filename")
                .replace("file.cache", "file.file.cache") for word in words]


def read_by_nbd(vm):
    """Bytes that QEMU's server has given."""
    with open(vm.log_path, errors="replace") as log:
        return sum(int(length) for length in
                   re.findall(r"nbd_co_send_\w*read .*len = (\d+)", log.read()))


def write(vm, disk, offset, length):
    said = vm.qmp.hmp(f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
                      f"\"write -P {offset // MIB + 7} {offset} {length}\"")
    assert not said.strip() or "wrote" in said, said


def pull(t, vm, daemon, name, reference):
    """How often each byte was read, at most, of a full pull."""
    uri = daemon.info()["disks"][list(vm.disks).index(name)]["uri"]
    before = read_by_nbd(vm)
    nbdcopy(uri, t.path("copy"))
    same(reference, t.path("copy"), name)
    return (read_by_nbd(vm) - before) / SIZE


def test(t):
    disks = [Disk("raw", "raw", SIZE), Disk("small", "qcow2", SIZE),
             Disk("large", "qcow2", SIZE, options=["cluster_size=2M"]),
             Slow("other", "raw", SIZE)]
    vm = VM(t, disks, boot=False,
            more=["-object", "throttle-group,id=none",
                  "-trace", "nbd_co_send_*read"])
    for disk in disks:
        for offset in range(0, SIZE, 4 * MIB):
            write(vm, disk.name, offset, 4 * MIB)
    references = {disk.name: vm.context.path(disk.name + ".ref")
                  for disk in disks}
    daemon = Daemon(t)
    daemon.add(vm)
    vm.qmp("cont")
    vm.pause()
    for name, path in references.items():
        vm.reference_copy(name, path)
    for disk in disks:
        os.rename(disk.path, disk.path + ".gone")     # only QEMU has it
    daemon.begin()
    for disk in disks:
        for offset in range(0, SIZE, 2 * MIB):
            write(vm, disk.name, offset, 4096)
    found = {name: pull(t, vm, daemon, name, references[name])
             for name in vm.disks}
    t.say(f"read so often: {found}")
    for name, times in found.items():
        twice = name in ("large", "other")
        t.check(times > 1.5 if twice else 0.8 < times <= 1,
                f"{name}: {times:.2f}")

    daemon.kill9()
    daemon.start()
    old = daemon.pid_of("view")
    kill(old)
    wait_until(lambda: daemon.processes()["view"] not in (0, old), 30, "view")
    times = pull(t, vm, daemon, "raw", references["raw"])
    t.check(0.8 < times <= 1, f"taken over: {times:.2f}")
    daemon.abort()


main(test)
