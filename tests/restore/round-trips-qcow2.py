#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stock clients write into images that are not raw, new and old, with a backing
file and beside a raw one, is there after the commit; when qemu-storage-daemon dies
amid it the restore is broken, and the image half restored until it is again."""

import os

from pullbacktest import MIB, Daemon, kill, main, run, same, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.restore import (MARK, beside, restore_begin, restores,
                                  storage_daemon, write_random)

SIZE = 16 * MIB


def by_nbdcopy(source, uri):
    run("nbdcopy", "--flush", source, uri)


def by_qemu_img(source, uri):
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, uri)


def content(t, path, form):
    """The disk in an image, as a raw file."""
    raw = t.path("content")
    run("qemu-img", "check", "-q", "-f", form, path)
    run("qemu-img", "convert", "-f", form, "-O", "raw", path, raw)
    return raw


def into_new(t, daemon, source):
    path = t.path("new.qcow2")
    info = restore_begin(daemon, "web", "--image", path, "--create", "qcow2",
                         "--size", "16M", "--option", "cluster_size=128k")
    t.check(not os.path.exists(path), "the image has its name too early")
    by_nbdcopy(source, info["uri"]["vda"])
    daemon.cli("restore-commit", "web")
    same(source, content(t, path, "qcow2"), "new qcow2 image")
    t.check(beside(path) == ["new.qcow2"], f"left {beside(path)}")


def into_old(t, daemon, source):
    """The backing file stays as it is."""
    base = write_random(t, t.path("base.raw"), SIZE)
    before = t.path("before")
    run("cp", base, before)
    path = t.path("top.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F",
        "raw", path)
    info = restore_begin(daemon, "--image", path, "--format", "qcow2")
    t.check(os.path.exists(path + MARK), "there is no mark")
    by_qemu_img(source, info["uri"]["vda"])
    daemon.cli("restore-commit", "top")
    same(source, content(t, path, "qcow2"), "old qcow2 image")
    same(before, base, "backing file")
    t.check(beside(path) == ["top.qcow2"], f"left {beside(path)}")


def other_formats(t, daemon, source):
    for form in ("vdi", "vhdx"):
        path = t.path(f"old.{form}")
        run("qemu-img", "create", "-q", "-f", form, path, "16M")
        info = restore_begin(daemon, "--image", path, "--format", form)
        by_nbdcopy(source, info["uri"]["vda"])
        daemon.cli("restore-commit", "old")
        same(source, content(t, path, form), form)


def killed(t, daemon, source):
    path = t.path("killed.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "16M")
    info = restore_begin(daemon, "--image", path, "--format", "qcow2")
    handle = open_nbd(info["uri"]["vda"])
    handle.pwrite(b"x" * MIB, 0)
    kill(storage_daemon(daemon, "killed"))
    wait_until(lambda: restores(daemon) == {"killed": "broken"},
               message="it is not broken")
    daemon.refuses("restore-commit", "killed", saying=["signal 9"])
    daemon.cli("restore-abort", "killed")
    t.check(restores(daemon) == {"killed": "half"}, f"{restores(daemon)}")
    t.check(os.path.exists(path + MARK), "the mark is gone")
    info = restore_begin(daemon, "--image", path, "--format", "qcow2")
    by_nbdcopy(source, info["uri"]["vda"])
    daemon.cli("restore-commit", "killed")
    same(source, content(t, path, "qcow2"), "restored again")
    t.check(beside(path) == ["killed.qcow2"], f"left {beside(path)}")


def daemon_killed(t, daemon, source):
    """Who writes, too: the next daemon knows what is half."""
    path = t.path("later.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "16M")
    info = restore_begin(daemon, "--image", path, "--format", "qcow2")
    handle = open_nbd(info["uri"]["vda"])
    handle.pwrite(b"x" * MIB, 0)
    daemon.kill9()
    kill(storage_daemon(daemon, "later"))
    daemon.start()
    t.check(restores(daemon) == {"later": "half"}, f"{restores(daemon)}")
    info = restore_begin(daemon, "--image", path, "--format", "qcow2")
    by_nbdcopy(source, info["uri"]["vda"])
    daemon.cli("restore-commit", "later")
    same(source, content(t, path, "qcow2"), "restored by the next daemon")


def test(t):
    daemon = Daemon(t)
    source = write_random(t, t.path("source"), SIZE, (3, 4, 9))
    into_new(t, daemon, source)
    into_old(t, daemon, source)
    other_formats(t, daemon, source)
    killed(t, daemon, source)
    daemon_killed(t, daemon, source)
    t.check(restores(daemon) == {}, f"left: {restores(daemon)}")
    daemon.terminate()


main(test)
