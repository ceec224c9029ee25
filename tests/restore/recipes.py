#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The recipes of docs/restore.md do what they say, word for word."""

import os
import re
import shutil
import subprocess

from pullbacktest import VM, Daemon, Disk, MIB, compare, main, need, run
from pullbacktest.loopfs import private_namespace
from pullbacktest.restore import write_random

PAGE = os.path.join(os.environ["PULLBACK_SRCDIR"], "docs", "restore.md")
SIZE = 64 * MIB


def make_chain(t, daemon, copy, name, grown=0):
    """A qcow2 disk that was COPY at checkpoint mon, of a domain that is off; then it has GROWN."""
    path = f"/srv/{name}.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", copy, path)
    vm = VM(t, [Disk("vda", "qcow2", SIZE, path=path)], boot=False)
    daemon.add(vm, name=name)
    daemon.cli("checkpoint-create", name, "mon")
    vm.qmp("block_resize", node_name="node-vda", size=SIZE + grown)
    for command in ("write 3M 2M", "discard 20M 1M", "write -z 50M 100k",
                    f"write {SIZE} {grown}"):
        vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                   f"\"{command}\"")
    vm.quit()


def content(t, path):
    """A raw file of the disk."""
    if path.endswith(".raw"):
        return path
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", path, t.path("raw"))
    return t.path("raw")


def shrink(path):
    """What it has grown by is zeros, and is cut off."""
    with open(path, "r+b") as stream:
        stream.seek(SIZE)
        need(not any(stream.read()), "what it has grown by is not zeroed")
        stream.truncate(SIZE)
    return path


def test(t):
    private_namespace()
    for folder in "/run", "/srv":
        run("mount", "-t", "tmpfs", "none", folder)
        t.defer(run, "umount", "-l", folder)
    daemon = Daemon(t, more=["--runtime-dir", "/run/pullback"])
    os.mkdir("/srv/copies")
    copy = write_random(t, "/srv/copies/mon.img", SIZE, (7, 30))
    write_random(t, "/srv/web2.raw", SIZE)
    shutil.copyfile(copy, "/srv/web3.raw")
    with open("/srv/web3.raw", "r+b") as stream:
        stream.seek(40 * MIB)
        stream.write(t.random.randbytes(MIB))
    for name, grown in ("web4", MIB + 512), ("web5", 0):
        make_chain(t, daemon, copy, name, grown)
        t.check(compare(content(t, f"/srv/{name}.qcow2"), copy) is not None,
                f"{name} was not written to")
    machine = VM(t, [Disk("vda", path="/srv/vm1.raw", size=SIZE)], boot=False,
                 more=["-qmp", "unix:/run/vm1.qmp,server=on,wait=off"])
    with open(PAGE) as stream:
        recipes = re.findall(r"^```sh\n(.*?)^```$", stream.read(),
                             re.M | re.S)
    need(len(recipes) >= 3, f"{len(recipes)} recipes")
    for recipe in recipes:
        done = subprocess.run(
            ["bash", "-e", "-c", recipe], cwd="/srv/copies", text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, PULLBACK_SOCKET=daemon.socket))
        need(done.returncode == 0, f"{recipe}: {done.stdout}")
        for path in set(re.findall(r"/srv/\w+\.(?:raw|qcow2)", recipe)):
            t.check(compare(shrink(content(t, path)), copy) is None,
                    f"{path} differs")
    t.check(compare("/srv/vm1.raw", copy) is None, "the machine's disk differs")
    machine.resume()
    machine.quit()
    left = sorted(os.listdir("/srv"))
    t.check(left == ["copies", "db.raw", "log.raw", "vm1.raw", "web1.raw",
                     "web2.raw", "web3.raw", "web4.qcow2", "web5.qcow2",
                     "web7.qcow2"],
            f"left {left}")
    daemon.terminate()


main(test)
