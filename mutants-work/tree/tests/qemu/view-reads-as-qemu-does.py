#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The view reads an image with O_DIRECT exactly if QEMU does, whatever node
asked for it, also where QEMU got the image as a descriptor; and a block device
always."""

import os
import subprocess

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy

SIZE = 4 * MIB


def make(t, name):
    path = t.path(name + ".raw")
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))
    return path


def loop_device(t, path):
    """None where that cannot be had."""
    try:
        done = subprocess.run(["losetup", "--show", "-f", path], check=True,
                              capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        t.say(f"without a loop device: {error}")
        return None
    device = done.stdout.strip()
    t.defer(subprocess.run, ["losetup", "-d", device], check=True)
    return device


def same(one, other):
    if one.st_rdev or other.st_rdev:
        return one.st_rdev == other.st_rdev
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def is_direct(pid, path):
    """Does process PID have PATH open with O_DIRECT?  None: not open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        if same(os.stat(f"/proc/{pid}/fd/{name}"), os.stat(path)):
            with open(f"/proc/{pid}/fdinfo/{name}") as stream:
                flags = next(line for line in stream
                             if line.startswith("flags:"))
            found.add(bool(int(flags.split()[1], 8) & os.O_DIRECT))
    return max(found, default=None)


def test(t):
    disks = [Disk("cached", path=make(t, "cached")),
             Disk("direct", path=make(t, "direct"), direct=True),
             Disk("below", path=make(t, "below"), direct="protocol"),
             Disk("passed", path=make(t, "passed"), fdset=7),
             Disk("passeddirect", path=make(t, "passeddirect"), fdset=8,
                  direct="protocol")]
    device = loop_device(t, make(t, "device"))
    if device:
        disks.append(Disk("device", path=device, driver="host_device"))
    want = {"cached": False, "direct": True, "below": True, "passed": False,
            "passeddirect": True, "device": True}
    vm = VM(t, disks, boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    backup = daemon.begin()
    info = daemon.info()
    for shown in info["disks"]:
        name = shown["name"]
        path = vm.disks[name].path
        t.check(shown["source"] == "direct", f"{name} goes through QEMU")
        got = is_direct(info["processes"]["view"], path)
        t.check(got == want[name],
                f"{name}: O_DIRECT is {got}, want {want[name]}")
        copy = t.path("copy")
        nbdcopy(backup["disk"][name]["uri"], copy)
        subprocess.run(["cmp", copy, path], check=True)
        os.unlink(copy)
    t.check(len(info["disks"]) == len(disks), "disks are missing")
    daemon.commit()


main(test)
