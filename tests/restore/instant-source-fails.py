#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""The source of an instant restore stops being there, or what it was. What cannot be read is
an error and never other data; the move says why it waits, and goes on by itself when the
server is back. A file that is changed cuts the clients off, for good. And no commit or abort
takes a disk away that somebody uses."""

import os

from pullbacktest import (Daemon, MIB, kill, main, need, run, wait_until)
from pullbacktest.clients import open_nbd
from pullbacktest.differ import serve
from pullbacktest.liststeps import in_haste
from pullbacktest.restore import (restore_begin, restores, same_disk,
                                  wait_moved, wait_restore, write_random)

SIZE = 24 * MIB


class Stage:
    def __init__(self, t):
        self.t = t
        # So that QEMU does not wait as long for the server.
        self.daemon = Daemon(t, env=in_haste(4))
        self.source = write_random(t, t.path("source"), SIZE)
        self.n = 0

    def serve(self):
        server = serve(self.t, "server", "-r", "file", self.source)
        server.killed = True
        return server

    def disk(self, name):
        disk, = self.daemon.cli("restore-info", name)["disks"]
        return disk

    def wait(self, name, state):
        wait_until(lambda: self.disk(name)["move"] == state, 90,
                   lambda: f"not {state}: {self.disk(name)}")

    def begin(self, name, source, *words):
        return restore_begin(
            self.daemon, name, "--instant", "--image",
            self.t.path(f"{name}.qcow2"), "--source", source, *words)["uri"]["vda"]


def server_is_away(stage):
    """In the middle of a move."""
    daemon, server = stage.daemon, stage.serve()
    uri = stage.begin("one", server.uri(""), "--max-rate", "4M")
    stage.wait("one", "moving")
    daemon.cli("restore-move", "one", "--pause")
    stage.wait("one", "paused")
    daemon.refuses("restore-commit", "one", saying=("not all in", "paused"))
    nbd = open_nbd(uri)
    need(nbd.pread(MIB, SIZE - MIB), "it is there")
    daemon.refuses("restore-abort", "one", saying=("power", "off"))
    kill(server.pid)
    os.unlink(server.socket)
    daemon.cli("restore-move", "one")
    stage.wait("one", "stalled")
    need(server.uri("") in stage.disk("one")["move-reason"], f"{stage.disk('one')}")
    # Not moved, and not read before.  (QEMU's own job for it has such a read succeed.)
    done = run("qemu-io", "-r", "-f", "raw", "-c", f"read {SIZE - 2 * MIB} 512k",
               uri, check=False)
    need(done.returncode != 0, f"read without its source: {done.stdout}")
    nbd.shutdown()
    stage.serve()
    daemon.cli("restore-move", "one", "--max-rate", "1G")
    wait_moved(daemon, "one")
    daemon.cli("restore-commit", "one")
    same_disk(stage.t.path("one.qcow2"), "qcow2", stage.source)


def source_is_changed(stage, name, change):
    daemon = stage.daemon
    source = stage.t.path("source-" + name)
    run("cp", stage.source, source)
    uri = stage.begin(name, source, "--source-format", "raw", "--max-rate", "1M")
    before = os.stat(source)
    change(source)
    wait_restore(daemon, name, "broken")
    done = run("nbdinfo", "--size", uri, check=False, timeout=60)
    need(done.returncode != 0, "it is still served")
    daemon.refuses("restore-commit", name, saying=(source,))
    # As it was again, it may have been copied in between.
    run("cp", stage.source, source)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = (name, "--instant", "--image", stage.t.path(f"{name}.qcow2"),
             "--source", source, "--source-format", "raw")
    daemon.refuses("restore-begin", *again, saying=(source, "abort"))
    daemon.leave()
    daemon.start()
    need(restores(daemon) == {name: "broken"}, f"{restores(daemon)}")
    daemon.refuses("restore-begin", *again, saying=(source, "abort"))
    daemon.cli("restore-abort", name)
    need(not os.path.exists(stage.t.path(f".{name}.qcow2.pullback-{name}")),
         "its image is left")


def written_to(path):
    with open(path, "r+b") as stream:
        stream.seek(SIZE - 5)
        stream.write(b"x")


def shrunk(path):
    os.truncate(path, SIZE // 2)


def changed_meanwhile(stage):
    """While nothing ran."""
    source = stage.t.path("source-away")
    run("cp", stage.source, source)
    stage.begin("away", source, "--source-format", "raw", "--max-rate", "1M")
    stage.daemon.leave()
    written_to(source)
    stage.daemon.start()
    need(restores(stage.daemon) == {"away": "interrupted"},
         f"{restores(stage.daemon)}")
    reason = stage.daemon.cli("restore-info", "away")["reason"]
    need("was written to" in reason, reason)
    stage.daemon.cli("restore-abort", "away")


def bad_input(stage):
    t, daemon = stage.t, stage.daemon
    image = ("--image", t.path("new.qcow2"))
    raw = ("--source", stage.source, "--source-format", "raw")
    writer = run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                 stage.source, t.path("over"))
    for words, saying in (
            (("--instant", *image), ("--source",)),
            ((*image, *raw), ("--instant",)),
            (("--instant", *image, "--source", stage.source),
             ("--source-format",)),
            (("--instant", *image, "--source", t.path("no"), "--source-format",
              "raw"), (t.path("no"), "does not exist")),
            (("--instant", *image, "--source", t.path("over"),
              "--source-format", "raw"), (t.path("over"), "qcow2")),
            (("--instant", *image, "--source", f"nbd+unix:///?socket={t.path('no')}"),
             (t.path("no"), "cannot be opened")),
            (("--instant", *image, "--source", "nbds://host/x"), ("encrypted",)),
            (("--instant", *image, "--source", "ftp://host/x"), ("no NBD URI",)),
            (("--instant", *image, "--source", "vdb=" + stage.source,
              "--source-format", "raw"), ("vdb", "no image")),
            (("--instant", *image, *raw, "--size", "1M"), ("cannot be smaller",)),
            (("--instant", *image, *raw, "--create", "raw"), ("qcow2",)),
            (("--instant", *image, *raw, "--option", "preallocation=metadata"),
             ("preallocation",)),
            (("--instant", "--image", stage.source, *raw), ("leads to itself",)),
            (("--instant", *image, *raw, "--format", "qcow2"), ("--format",))):
        daemon.refuses("restore-begin", "bad", *words, saying=saying)
    need(writer.returncode == 0 and restores(daemon) == {},
         f"{restores(daemon)}")
    daemon.refuses("restore-move", "bad", saying=("no restore bad",))
    daemon.cli("restore-begin", "usual", *image, "--create", "raw", "--size", "1M")
    daemon.refuses("restore-move", "usual", saying=("not instant",))
    daemon.cli("restore-abort", "usual")


def test(t):
    stage = Stage(t)
    bad_input(stage)
    server_is_away(stage)
    source_is_changed(stage, "written", written_to)
    source_is_changed(stage, "shrunk", shrunk)
    changed_meanwhile(stage)
    need(restores(stage.daemon) == {}, f"left: {restores(stage.daemon)}")
    stage.daemon.terminate()


main(test)
