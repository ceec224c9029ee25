#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""A restore that is ready goes on while the daemon is stopped or killed: the client writes on
over the same connection, nobody else can open an image for a moment, and the next daemon
commits or aborts it.  Gateway and nbdkit that died meanwhile are started again where somebody
still has the images locked; else, and where qemu-storage-daemon died, it is half restored."""

import os

from pullbacktest import Daemon, MIB, kill, main, run, same, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.obstacles import kept_port
from pullbacktest.processes import alive
from pullbacktest.restore import (MARK, beside, process_of, restore_begin,
                                  restores, write_random)

SIZE = 8 * MIB


class Pair:
    """A restore of a raw and a qcow2 image, or of these that are made."""

    def __init__(self, t, daemon, name, kinds=("raw", "qcow2"), new=False,
                 tcp=False):
        self.t, self.daemon, self.name = t, daemon, name
        self.images = {kind: t.path(f"{name}.{kind}") for kind in kinds}
        self.handles = {}
        for kind, path in self.images.items():
            if not new:
                run("qemu-img", "create", "-q", "-f", kind, path, str(SIZE))
        uris = {}
        # One format is given for all images of a restore.
        for kind, path in self.images.items():
            words = ["--create", kind, "--size", str(SIZE)] if new else \
                ["--format", kind]
            info = restore_begin(daemon, f"{name}-{kind}", "--image", path,
                                 *words, *(("--tcp", str(kept_port(t))) if tcp
                                           else ()))
            uris[kind] = info["uri"]["vda"]
        for kind, uri in uris.items():
            self.handles[kind] = open_nbd(uri)
            self.handles[kind].pwrite(b"a" * MIB, 0)
        self.uris = uris

    def must_be_locked(self, new=False):
        for kind, path in self.images.items():
            if new:
                path = self.t.path(f".{os.path.basename(path)}.pullback-"
                                   f"{self.name}-{kind}")
                self.t.check(os.path.exists(path), f"{path} is gone")
            done = run("qemu-io", "-f", kind, "-c", "read 0 512", path,
                       check=False)
            self.t.check(done.returncode != 0 and "lock" in done.stderr,
                         f"{path} is not locked: {done.stderr}")

    def write_on(self, byte, at):
        for handle in self.handles.values():
            handle.pwrite(byte * MIB, at)

    def must_be_ready(self):
        for kind in self.images:
            info = self.daemon.cli("restore-info", f"{self.name}-{kind}")
            self.t.check(info["state"] == "ready" and
                         info["disks"][0]["uri"] == self.uris[kind],
                         f"{info}, was {self.uris[kind]}")

    def commit(self):
        with open(self.t.path("want"), "wb") as stream:
            stream.write(b"a" * MIB + b"b" * MIB + b"c" * MIB)
            stream.truncate(SIZE)
        for kind, path in self.images.items():
            self.handles[kind].shutdown()
            self.daemon.cli("restore-commit", f"{self.name}-{kind}")
            run("qemu-img", "check", "-q", path, check=kind == "qcow2")
            run("qemu-img", "convert", "-f", kind, "-O", "raw", path,
                self.t.path("got"))
            same(self.t.path("want"), self.t.path("got"), path)
            self.t.check(beside(path) == [os.path.basename(path)],
                         f"left: {beside(path)}")


def written_across(t, daemon, end, new, tcp=False):
    name = f"{end}{'-new' if new else ''}{'-tcp' if tcp else ''}"
    pair = Pair(t, daemon, name, new=new, tcp=tcp)
    getattr(daemon, end)()
    pair.write_on(b"b", MIB)
    pair.must_be_locked(new)
    daemon.start()
    pair.must_be_ready()
    pair.must_be_locked(new)
    pair.write_on(b"c", 2 * MIB)
    # Once more, from one that has taken it over itself.
    getattr(daemon, end)()
    pair.must_be_locked(new)
    daemon.start()
    pair.must_be_ready()
    pair.commit()


def aborted(t, daemon):
    """By the daemon that took it over: as before, or half, or not there."""
    for new, writes, state in ((True, True, "aborted"), (False, False, "aborted"),
                               (False, True, "half")):
        path = t.path("over.raw")
        if not new:
            write_random(t, path, SIZE)
            run("cp", path, t.path("before"))
        words = ["--create", "raw", "--size", str(SIZE)] if new else \
            ["--format", "raw"]
        uri = restore_begin(daemon, "over", "--image", path,
                            *words)["uri"]["vda"]
        daemon.kill9()
        daemon.start()
        if writes:
            open_nbd(uri).pwrite(b"x" * 512, 0)
        got = daemon.cli("restore-abort", "over")["state"]
        t.check(got == state, f"new {new}, written {writes}: {got}")
        t.check(os.path.exists(path + MARK) == (state == "half"), "mark")
        if state == "half":
            daemon.cli("restore-abort", "over", "--forget")
        elif not new:
            same(path, t.path("before"), "not written to")
    t.check(not daemon.children(), f"{daemon.children()}")


def gone_meanwhile(t, daemon):
    """With the daemon also a process of the restore."""
    for role, kind, state in (("gateway", "raw", "ready"),
                              ("gateway", "qcow2", "ready"),
                              ("plugin", "raw", "half"),
                              ("storage", "qcow2", "half")):
        name = f"{role}-{kind}"
        pair = Pair(t, daemon, role, (kind,))
        others = [process_of(daemon, name, other)
                  for other in ("gateway", "plugin", "storage")
                  if other != role and kind != {"plugin": "qcow2", "storage":
                                                "raw"}.get(other)]
        daemon.kill9()
        kill(process_of(daemon, name, role))
        daemon.start()
        t.check(restores(daemon) == {name: state},
                f"{name}: {restores(daemon)}")
        if state == "half":
            for pid in others:
                wait_until(lambda: not alive(pid), message="it is left")
            t.check(os.path.exists(pair.images[kind] + MARK), "no mark")
            daemon.cli("restore-abort", name, "--forget")
            continue
        pair.handles[kind] = open_nbd(pair.uris[kind])
        pair.write_on(b"b", MIB)
        pair.write_on(b"c", 2 * MIB)
        pair.commit()


def dies_afterwards(t, daemon):
    """One that was taken over is started again as another."""
    for role in "plugin", "gateway":
        pair = Pair(t, daemon, "after" + role, ("raw",))
        daemon.kill9()
        daemon.start()
        pair.must_be_ready()            # asked when it has taken it over
        pid = process_of(daemon, f"after{role}-raw", role)
        kill(pid)
        wait_until(lambda: process_of(daemon, f"after{role}-raw", role)
                   not in (pid, 0), message=f"{role} is not started again")
        pair.handles["raw"] = open_nbd(pair.uris["raw"])
        pair.write_on(b"b", MIB)
        pair.must_be_locked()
        pair.write_on(b"c", 2 * MIB)
        pair.commit()
    pair = Pair(t, daemon, "broken", ("qcow2",))
    daemon.kill9()
    daemon.start()
    pair.must_be_ready()
    kill(process_of(daemon, "broken-qcow2", "storage"))
    wait_until(lambda: restores(daemon) == {"broken-qcow2": "broken"},
               message="qemu-storage-daemon died, and nobody says so")
    daemon.refuses("restore-commit", "broken-qcow2", saying=("lost",))
    t.check(daemon.cli("restore-abort", "broken-qcow2")["state"] == "half",
            "not half")
    daemon.cli("restore-abort", "broken-qcow2", "--forget")


def test(t):
    daemon = Daemon(t)
    for end in "leave", "kill9":
        for new in False, True:
            written_across(t, daemon, end, new)
    written_across(t, daemon, "leave", False, tcp=True)
    aborted(t, daemon)
    gone_meanwhile(t, daemon)
    dies_afterwards(t, daemon)
    # Told to end with all that it has.
    path = write_random(t, t.path("last.raw"), SIZE)
    restore_begin(daemon, "--image", path, "--format", "raw")
    daemon.terminate()
    t.check(beside(path) == ["last.raw"], f"left: {beside(path)}")


main(test)
