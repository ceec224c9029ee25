#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of docs/libvirt.md for restores do what they say, word for word."""

import os
import re
import subprocess

from pullbacktest import Daemon, Disk, MIB, main, need, run
from pullbacktest.libvirtd import Domain, Libvirtd
from pullbacktest.loopfs import private_namespace
from pullbacktest.restore import write_random

PAGE = os.path.join(os.environ["PULLBACK_SRCDIR"], "docs", "libvirt.md")
SIZE = 16 * MIB


def recipes():
    with open(PAGE) as stream:
        found = re.findall(r"^```sh\n(.*?)^```$", stream.read(), re.M | re.S)
    need(len(found) == 2, f"{len(found)} recipes")
    return found


def test(t):
    private_namespace()
    run("mount", "-t", "tmpfs", "none", "/srv")
    t.defer(run, "umount", "-l", "/srv")
    libvirtd = Libvirtd(t)
    vm = Domain(libvirtd, [Disk("vda", "qcow2", SIZE)], ordinary=True,
                boot=False)
    daemon = Daemon(t, within=libvirtd.within,
                    more=["--runtime-dir", "/run/pullback"])
    vm.add_to(daemon)
    copies = t.path("copies")
    os.mkdir(copies)
    copy = write_random(t, os.path.join(copies, "vda.img"), SIZE, (7, 12))
    with open(copy, "r+b") as stream:
        stream.write(bytes(MIB))            # nothing that a BIOS would start
    vm.virsh("destroy")
    vm.has_ended()
    for recipe in recipes():
        done = subprocess.run(
            [*libvirtd.within, "env", "-C", copies, "bash", "-e", "-c", recipe],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PULLBACK_SOCKET=daemon.socket,
                     LIBVIRT_DEFAULT_URI=libvirtd.uri))
        need(done.returncode == 0, f"{recipe}: {done.stdout}")
        t.say(done.stdout)
    for path in vm.disks["vda"].path, "/srv/vm1-mon-vda.qcow2":
        run("qemu-img", "compare", "-U", "-f", "qcow2", "-F", "raw", path, copy)
    for name in "vm1", "vm1-mon":
        said = libvirtd.virsh("domstate", name).stdout.strip()
        t.check(said == "running", f"{name}: {said}")
        libvirtd.virsh("destroy", name)
    left = sorted(os.listdir("/srv"))   # with what its serial port has said
    t.check(left == ["vm1-mon-0.log", "vm1-mon-vda.qcow2"], f"left {left}")
    daemon.terminate()


main(test)
