#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image is replaced by rename while QEMU has it open, and QEMU opens the new
file by the same name for another node: the old disk's backup has the old bytes,
be it that disk's own image or one below, qcow2 or raw.  While names are told
by several nodes and mean one file, images are read directly."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main, nbdcopy, run

SIZE = 4 * MIB


def make(path, pattern, form):
    run("qemu-img", "create", "-q", "-f", form, path, str(SIZE))
    run("qemu-io", "-f", form, "-c", f"write -P {pattern} 0 {SIZE}", path)


def overlay(path, base, form):
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", form, "-b", base,
        path, str(SIZE))


def plug(vm, node, driver, path):
    vm.qmp("blockdev-add", {
        "driver": driver, "node-name": node, "read-only": True,
        "file": {"driver": "file", "filename": path, "locking": "off"}})


def replace(path, form, keep):
    make(path + ".new", 2, form)
    if keep:
        os.rename(path, path + ".old")
    os.rename(path + ".new", path)


def look(t, daemon, name, want, when):
    """Backs NAME up; each of its disks has pattern 1 and the source WANT."""
    backup = daemon.begin(name=name)
    have = {disk["name"]: disk["source"]
            for disk in daemon.info(name)["disks"]}
    for disk in want:
        copy = t.path("copy")
        nbdcopy(backup["disk"][disk]["uri"], copy)
        with open(copy, "rb") as stream:
            t.check(stream.read() == b"\1" * SIZE,
                    f"{name}, {disk}, {when}: not what the disk has")
        os.unlink(copy)
    t.check(have == want, f"{name}, {when}: {have}")
    daemon.commit(name)


def case(t, daemon, name, form, own, keep):
    base = t.path(f"{name}-base")
    make(base, 1, form)
    tops = [base if own else t.path(f"{name}-a"), t.path(f"{name}-b")]
    if own:
        make(tops[1], 1, form)
    else:
        for top in tops:
            overlay(top, base, form)
    kind = form if own else "qcow2"
    direct = "direct" if kind == "raw" else "qcow2"
    vm = VM(t, [Disk(disk, kind, SIZE, path=top)
                for disk, top in zip(("vda", "vdb"), tops)], boot=False)
    daemon.add(vm, name=name)
    look(t, daemon, name, {"vda": direct, "vdb": direct}, "at first")
    replace(base, form, keep)
    if not keep:
        # What one node has lost does not make the others' names doubtful.
        look(t, daemon, name, {"vda": "relay",
                               "vdb": direct if own else "relay"}, "replaced")
    plug(vm, "other", form, base)
    look(t, daemon, name, {"vda": "relay", "vdb": "relay"}, "reused")
    daemon.cli("domain-remove", name, "--checkpoints-metadata")
    vm.end()


def headed(t, daemon):
    """The guest keeps a qcow2 header at the start of its raw disk."""
    images = [t.path(f"headed-{which}") for which in "ab"]
    for path, pattern in zip(images, (1, 2)):
        make(path, pattern, "raw")
    old = b"QFI\xfb" + b"\1" * (SIZE - 4)
    with open(images[0], "r+b") as stream:
        stream.write(old[:4])
    vm = VM(t, [Disk(disk, "raw", SIZE, path=path)
                for disk, path in zip(("vda", "vdb"), images)], boot=False)
    daemon.add(vm, name="headed")
    os.rename(images[0], images[0] + ".old")
    os.rename(images[1], images[0])
    backup = daemon.begin(name="headed")
    copy = t.path("copy")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    with open(copy, "rb") as stream:
        t.check(stream.read() == old, "headed: not what the disk has")
    daemon.abort("headed")
    daemon.cli("domain-remove", "headed", "--checkpoints-metadata")
    vm.end()


def test(t):
    daemon = Daemon(t)
    headed(t, daemon)
    for form in ("qcow2", "raw"):
        for own in (False, True):
            for keep in (False, True):
                case(t, daemon, f"{form}-{own:d}{keep:d}", form, own, keep)


main(test)
