#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An instant restore outlives its processes.  What its client has flushed is there whoever was
killed; what was moved is not moved again; where more than that may be lost, the export has
another name, and the old one is not found; and it ends as what the source was, with what was
written."""

import os
import signal

from pullbacktest import (Daemon, MIB, kill, main, need, run, wait_until)
from pullbacktest.differ import requests, serve
from pullbacktest.processes import command_line, descendants
from pullbacktest.restore import (restore_begin, restores, same_disk,
                                  storage_daemon, wait_moved, wait_restore,
                                  write_random)

SIZE = 32 * MIB


class Stage:
    def __init__(self, t):
        self.t = t
        self.daemon = Daemon(t)
        self.source = write_random(t, t.path("source"), SIZE)
        self.reference = t.path("reference")
        run("cp", self.source, self.reference)
        self.log = t.path("log")
        self.server = serve(t, "server", "-r", "--filter=log", "file",
                            self.source, f"logfile={self.log}")
        # nbdkit 1.32 may end when a client of it is killed.
        self.server.killed = True
        self.path = t.path("lasts.qcow2")
        self.words = ("lasts", "--instant", "--image", self.path, "--source",
                      self.server.uri(""), "--max-rate", "4M")
        self.pattern = 0
        self.uri = None

    def info(self):
        info = self.daemon.cli("restore-info", "lasts")
        disk, = info["disks"]
        return info, disk

    def begin(self):
        self.uri = restore_begin(self.daemon, *self.words)["uri"]["vda"]

    def write(self):
        """What is flushed, and so must stay."""
        self.pattern += 1
        at = self.pattern * 2 + 1
        with open(self.reference, "r+b") as stream:
            stream.seek(at * MIB)
            stream.write(bytes([self.pattern]) * (MIB // 2))
        run("qemu-io", "-f", "raw", "-c", f"write -P {self.pattern} {at}M 512k",
            "-c", "flush", self.uri)

    def goes_on(self, what, new_name):
        wait_restore(self.daemon, "lasts", "ready")
        before, (_, disk) = self.uri, self.info()
        self.uri = disk["uri"]
        need((self.uri != before) == new_name, f"{what}: {before} {self.uri}")
        if new_name:
            done = run("nbdinfo", "--size", before, check=False)
            need(done.returncode != 0, f"{what}: {before} is served")
        reads = [word for n in range(1, self.pattern + 1)
                 for word in ("-c", f"read -P {n} {n * 2 + 1}M 512k")]
        said = run("qemu-io", "-r", "-f", "raw", *reads, self.uri).stdout
        need("verification failed" not in said, f"{what}: {said}")

    def gateway(self):
        pid, = [pid for pid in descendants(self.daemon.pid)
                if command_line(pid).startswith("pullback-gateway ")]
        return pid

    def moved_bytes(self):
        return sum(count for kind, count in requests(self.log)
                   if kind == "Read")


def test(t):
    stage = Stage(t)
    daemon = stage.daemon
    stage.begin()
    stage.write()
    kill(stage.gateway())
    stage.goes_on("the gateway killed", False)

    stage.write()
    kill(storage_daemon(daemon, "lasts"))
    wait_restore(daemon, "lasts", "broken")
    daemon.refuses("restore-commit", "lasts", saying=("begin it again",))
    daemon.refuses("restore-begin", "lasts", "--instant", "--image", stage.path,
                   "--source", stage.source, "--source-format", "raw",
                   saying=("has other images or sources",))
    stage.begin()
    stage.uri = stage.uri.replace("vda.2", "vda")
    stage.goes_on("qemu-storage-daemon killed", True)

    stage.write()
    daemon.kill9()
    daemon.start()
    stage.goes_on("the daemon killed", False)

    stage.write()
    daemon.leave()
    daemon.start()
    stage.goes_on("the daemon ended", False)

    stage.write()
    pid = storage_daemon(daemon, "lasts")
    daemon.kill9()
    kill(pid, signal.SIGKILL)
    daemon.start()
    stage.goes_on("both killed", True)

    stage.write()
    wait_moved(daemon, "lasts")
    read = stage.moved_bytes()
    need(read < SIZE * 5 / 4, f"{read} bytes of the source were read")
    kill(stage.server.pid)
    os.rename(stage.source, stage.source + ".gone")
    kill(storage_daemon(daemon, "lasts"))
    wait_restore(daemon, "lasts", "broken")
    stage.begin()
    wait_until(lambda: stage.info()[1]["move"] == "moved", 30, "it moves again")
    daemon.cli("restore-commit", "lasts")
    same_disk(stage.path, "qcow2", stage.reference)
    need(restores(daemon) == {}, f"left: {restores(daemon)}")
    daemon.terminate()


main(test)
