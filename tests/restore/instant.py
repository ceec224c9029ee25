#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""restore-begin --instant: a backup that is a raw file, a chain of qcow2 images or an NBD export is
there at once, can be written to, and is not changed by that. When its data has moved, and the
restore is committed, the image alone, with the sources gone, is what they were, and where the
client wrote, that."""

import os

from pullbacktest import Daemon, MIB, main, need, run
from pullbacktest.differ import serve
from pullbacktest.restore import (beside, restore_begin, restores,
                                  same_disk, wait_moved, write_random)

SIZE = 24 * MIB


class Stage:
    def __init__(self, t):
        self.t = t
        self.daemon = Daemon(t)
        self.plain = write_random(t, t.path("plain"), SIZE, (3, 11))
        self.reference = t.path("reference")

    def chain(self):
        """Two images over a raw one, which are PLAIN together."""
        below, middle, top = (self.t.path(name) for name in
                              ("below.raw", "middle.qcow2", "top.qcow2"))
        run("cp", self.plain, below)
        with open(below, "r+b") as stream:
            stream.write(self.t.random.randbytes(9 * MIB))
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", below,
            middle)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
            middle, top)
        for path, start, length in (middle, 0, 5), (top, 5, 4):
            with open(self.plain, "rb") as stream:
                stream.seek(start * MIB)
                part = self.t.path("part")
                with open(part, "wb") as out:
                    out.write(stream.read(length * MIB))
            run("qemu-io", "-f", "qcow2", "-c",
                f"write -s {part} {start}M {length}M", path)
        return top, (below, middle, top)

    def write(self, uri):
        """As a client of the restore, and to the reference."""
        for at, length, pattern in ((1, 64, 17), (9, 4, 0), (23, 1024, 99)):
            with open(self.reference, "r+b") as stream:
                stream.seek(at * MIB)
                stream.write(bytes([pattern]) * (length << 10))
            run("qemu-io", "-f", "raw", "-c", f"write -P {pattern} {at}M "
                f"{length}k", "-c", "flush", uri)

    def restore(self, name, source, files, *words):
        run("cp", self.plain, self.reference)
        path = self.t.path(f"{name}.qcow2")
        before = {file: read(file) for file in files}
        info = restore_begin(self.daemon, "--instant", "--image", path,
                             "--source", source, *words)
        disk, = info["disks"]
        need(disk["source"] == source and disk["size"] == SIZE, f"{disk}")
        same_disk(info["uri"]["vda"], "raw", self.plain)
        self.write(info["uri"]["vda"])
        same_disk(info["uri"]["vda"], "raw", self.reference)
        wait_moved(self.daemon, name)
        self.daemon.cli("restore-commit", name)
        for file in files:
            self.t.check(read(file) == before[file], f"{file} has changed")
            os.rename(file, file + ".gone")
        self.t.check(beside(path) == [f"{name}.qcow2"], f"{beside(path)}")
        said = run("qemu-img", "info", path).stdout
        need("backing file" not in said, said)
        same_disk(path, "qcow2", self.reference)
        for file in files:
            os.rename(file + ".gone", file)


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def test(t):
    stage = Stage(t)
    stage.restore("raw", stage.plain, [stage.plain], "--source-format", "raw")
    top, files = stage.chain()
    stage.restore("chain", top, files, "--source-format", "qcow2",
                  "--option", "cluster_size=2M")
    server = serve(t, "server", "-r", "file", stage.plain)
    stage.restore("nbd", server.uri(""), [stage.plain], "--max-rate", "200M")
    server.end()
    need(restores(stage.daemon) == {}, f"left: {restores(stage.daemon)}")
    stage.daemon.terminate()


main(test)
