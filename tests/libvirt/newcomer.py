#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""README's five commands for a virtual machine of libvirt, word for word but for the first,
which installs: the images are the disk of the first moment and of the second."""

import os
import re

from pullbacktest import MIB, Disk, main, need, run
from pullbacktest.libvirtd import Domain, Libvirtd

HEADING = "## A virtual machine of libvirt, in five commands"
# Where libvirt is by default, and folders that are the test's own.
PREPARE = """
set -e
mkdir -p /run/libvirt /var/backups
ln -s "$1" /run/libvirt/libvirt-sock
mount -t tmpfs tmpfs /var/backups
"""
IMAGES = "/var/backups/vm1"


def commands():
    with open(os.path.join(os.environ["PULLBACK_SRCDIR"], "README.md"),
              encoding="utf-8") as stream:
        chapter = stream.read().split(HEADING)[1].split("\n## ")[0]
    lines = re.findall(r"^    (.*\n)", chapter, re.M)
    return re.sub(r"\\\n +", "", "".join(lines)).splitlines()


def test(t):
    install, move, *rest = commands()
    need(len(rest) == 3 and install.startswith("tests/lib/install-packages "),
         f"README has other commands: {install}, {move}, {rest}")
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "raw", 32 * MIB)], ordinary=True)
    run(*libvirtd.within, "sh", "-c", PREPARE, "sh", libvirtd.socket)

    def type_in(command):
        done = run(*libvirtd.within, "sh", "-c", f"{move} && {command}",
                   check=False)
        need(done.returncode == 0, f"{command}: {done.stderr}")

    def is_the_disk(image, form):
        done = run(*libvirtd.within, "qemu-img", "compare", "-U", "-f", form,
                   "-F", "raw", f"{IMAGES}/{image}", vm.disks["vda"].path,
                   check=False)
        t.check(done.returncode == 0, f"{image}: {done.stdout}{done.stderr}")

    vm.guest(f"write vda 4096 {MIB} 7")
    type_in(rest[0])
    is_the_disk("mon.img", "raw")
    vm.guest(f"write vda {8 * MIB} {MIB} 9")
    for command in rest[1:]:
        type_in(command)
    is_the_disk("tue.qcow2", "qcow2")
    size = os.stat(libvirtd.inside(f"{IMAGES}/tue.qcow2")).st_blocks * 512
    t.check(size < 4 * MIB, f"tue.qcow2 has {size} bytes")
    vm.has_nothing_of_ours()


main(test)
