#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All disks are frozen at one instant: a counter that the guest writes first
to one disk and then to the other is never newer on the second."""

from pullbacktest import MIB, VM, Daemon, Disk, main, need
from pullbacktest.clients import open_nbd

SECTOR = 4096


def counter(uri):
    handle = open_nbd(uri)
    text = handle.pread(512, SECTOR * 512).rstrip(b"\0")
    handle.shutdown()
    return int(text or b"0")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    for first, second in (("vda", "vdb"), ("vdb", "vda")):
        vm.guest(f"marker sector={SECTOR} disk={first} disk={second}")
        last = 0
        for _ in range(6):
            disks = daemon.begin()["disk"]
            one, two = (counter(disks[name]["uri"])
                        for name in (first, second))
            t.say(f"{first}: {one}, {second}: {two}")
            t.check(one in (two, two + 1),
                    f"{first} has {one}, but {second} has {two}")
            t.check(one >= last, f"the counter went back: {last} to {one}")
            last = one
            daemon.abort()
        need(last > 10, "the guest did not count")
        need(vm.guest("stop")["errors"] == 0, "guest I/O errors")


main(test)
