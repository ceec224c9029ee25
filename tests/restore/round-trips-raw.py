#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stock clients write into raw images, new and old, and into a block device, is
there after the commit, byte by byte and under its name; a disk may be larger than
what is written, and a client refuses one that is smaller."""

import os

from pullbacktest import Daemon, MIB, main, run, same
from pullbacktest.clients import open_nbd
from pullbacktest.restore import (beside, restore_begin, restores,
                                  write_random)

SIZE = 16 * MIB
HOLES = (3, 4, 9)


def by_nbdcopy(source, uri):
    run("nbdcopy", "--flush", source, uri)


def by_qemu_img(source, uri):
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, uri)


def by_python(source, uri):
    handle = open_nbd(uri)
    with open(source, "rb") as stream:
        for at in range(0, SIZE, MIB):
            data = stream.read(MIB)
            if data.strip(b"\0"):
                handle.pwrite(data, at)
            else:
                handle.zero(MIB, at)
    handle.flush()
    handle.shutdown()


CLIENTS = (by_nbdcopy, by_qemu_img, by_python)


def into_new(t, daemon, source, write):
    path = t.path(f"new-{write.__name__}.raw")
    info = restore_begin(daemon, "web", "--image", path, "--create", "raw",
                         "--size", "16M")
    t.check(info["state"] == "ready" and info["disks"][0]["new"], f"{info}")
    t.check(not os.path.exists(path), "the image has its name too early")
    write(source, info["uri"]["vda"])
    written = daemon.cli("restore-info", "web")["disks"][0]["written"]
    t.check(SIZE - len(HOLES) * MIB <= written <= SIZE, f"written: {written}")
    daemon.cli("restore-commit", "web")
    same(source, path, f"new image, {write.__name__}")
    t.check(beside(path) == [os.path.basename(path)], f"left {beside(path)}")


def into_old(t, daemon, source, write):
    path = write_random(t, t.path(f"old-{write.__name__}.raw"), SIZE)
    info = restore_begin(daemon, "--image", f"sda={path}", "--format", "raw")
    t.check(os.path.exists(path + ".restore-in-progress"), "there is no mark")
    write(source, info["uri"]["sda"])
    daemon.cli("restore-commit", info["name"])
    same(source, path, f"old image, {write.__name__}")
    t.check(beside(path) == [os.path.basename(path)], f"left {beside(path)}")


def two_disks(t, daemon, source):
    other = write_random(t, t.path("other"), SIZE)
    paths = [t.path("one.raw"), t.path("two.raw")]
    info = restore_begin(daemon, "both", "--image", paths[0], "--image",
                         f"log={paths[1]}", "--create", "raw", "--size", "20M",
                         "--option", "preallocation=falloc", "--tcp",
                         "127.0.0.1:" + str(t.random.randrange(20000, 30000)))
    t.check(info["uri"]["vda"].startswith("nbd://127.0.0.1:"), f"{info}")
    by_nbdcopy(source, info["uri"]["vda"])
    by_python(other, info["uri"]["log"])
    daemon.cli("restore-commit", "both")
    for path, wanted in zip(paths, (source, other)):
        t.check(os.stat(path).st_size == 20 * MIB, f"size of {path}")
        os.truncate(path, SIZE)
        same(wanted, path, "two disks")


def smaller(t, daemon, source):
    """The client's own refusal; nothing was written, and nothing is left."""
    path = write_random(t, t.path("small.raw"), 8 * MIB)
    with open(path, "rb") as stream:
        before = stream.read()
    info = restore_begin(daemon, "--image", path, "--format", "raw")
    done = run("nbdcopy", source, info["uri"]["vda"], check=False)
    t.check(done.returncode != 0 and "size" in done.stderr,
            f"nbdcopy: {done.returncode} {done.stderr}")
    daemon.cli("restore-abort", "small")
    with open(path, "rb") as stream:
        t.check(stream.read() == before, "the small image was written to")
    t.check(beside(path) == ["small.raw"], f"left {beside(path)}")


def test(t):
    daemon = Daemon(t)
    source = write_random(t, t.path("source"), SIZE, HOLES)
    for write in CLIENTS:
        into_new(t, daemon, source, write)
        into_old(t, daemon, source, write)
    two_disks(t, daemon, source)
    smaller(t, daemon, source)
    t.check(restores(daemon) == {}, f"left: {restores(daemon)}")
    daemon.terminate()


main(test)
