#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks of a qemu-storage-daemon with FUSE exports, which may resize them: full
and incremental, raw and qcow2, are right while somebody writes."""

import os
import subprocess
import threading

from pullbacktest import (MIB, Daemon, Qmp, Skip, main, nbdcopy, need,
                          pull_dirty, same, wait_until)

SIZE = 16 * MIB
GRANULE = 65536


class Storage:
    """qemu-storage-daemon; each disk is a file that can be written."""

    def __init__(self, t, disks, iothread=False):
        self.t, self.name = t, "io" if iothread else "main"
        self.qmp_path = t.path(f"{self.name}.qmp")
        self.log_path = t.path(f"{self.name}-qsd.log")
        # Without fixed-iothread QEMU 7.2 crashes when a filter is put in.
        more = ",iothread=io,fixed-iothread=on" if iothread else ""
        words = ["--object", "iothread,id=io"] if iothread else []
        for i, path in enumerate((self.qmp_path, self.qmp_path + "2")):
            words += ["--chardev", f"socket,id=c{i},path={path},server=on,"
                      "wait=off", "--monitor", f"chardev=c{i}"]
        for name, form in disks.items():
            image = t.path(f"{self.name}-{name}.img")
            with open(self.mount(name), "w"):
                pass
            subprocess.run(["qemu-img", "create", "-q", "-f", form, image,
                            str(SIZE)], check=True)
            words += ["--blockdev", f"driver={form},node-name={name},"
                      f"file.driver=file,file.filename={image}",
                      "--export", f"type=fuse,id=x{name},node-name={name},"
                      f"mountpoint={self.mount(name)},writable=on{more}"]
            t.defer(self.unmount, name)
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                ["qemu-storage-daemon", *words], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        t.defer(self.process.wait)
        t.defer(self.process.terminate)
        self.qmp = Qmp(self.qmp_path + "2")
        t.defer(self.qmp.close)
        for name in disks:
            wait_until(lambda name=name: os.stat(self.mount(name)).st_size
                       == SIZE, 10, "the FUSE export does not come")

    def mount(self, name):
        return self.t.path(f"{self.name}-{name}")

    def unmount(self, name):
        subprocess.run(["umount", "-l", self.mount(name)], check=False,
                       stderr=subprocess.DEVNULL)

    def state(self):
        nodes = self.qmp("query-named-block-nodes")
        return ([(n["node-name"], n["drv"], [b.get("name") for b in
                                             n.get("dirty-bitmaps", [])])
                 for n in sorted(nodes, key=lambda n: n["node-name"])
                 if not n["node-name"].startswith("#")],
                [e["id"] for e in self.qmp("query-block-exports")],
                self.qmp("query-jobs"))


class Writer:
    """Writes granules here and there until told to stop."""

    def __init__(self, t, path):
        self.seed, self.path = t.random.randrange(1 << 30), path
        self.ending, self.count = threading.Event(), 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        import random
        where = random.Random(self.seed)
        fd = os.open(self.path, os.O_RDWR)
        while not self.ending.is_set():
            at = where.randrange(SIZE // 4096) * 4096
            os.pwrite(fd, bytes([self.count % 255 + 1]) * 4096, at)
            self.count += 1
        os.close(fd)

    def stop(self):
        self.ending.set()
        self.thread.join()


def reference(t, storage, disk):
    path = t.path(f"{disk}.ref")
    with open(storage.mount(disk), "rb") as source, open(path, "wb") as copy:
        os.fsync(source.fileno())
        copy.write(source.read())
    return path


def pull(t, storage, daemon, words, mode, copies):
    """The disks stand still while the backup begins, not while it is read."""
    references = {disk: reference(t, storage, disk) for disk in copies}
    disks = daemon.begin(*words)["disk"]
    writers = [Writer(t, storage.mount(disk)) for disk in copies]
    try:
        for name, disk in disks.items():
            t.check(disk["mode"] == mode, f"{name}: {disk['mode']}, want "
                    f"{mode}: {disk['reason']}")
            wait_until(lambda: min(w.count for w in writers) > 50, 20,
                       "nobody writes")
            if mode == "full":
                nbdcopy(disk["uri"], copies[name])
            else:
                pull_dirty(disk, copies[name])
            same(references[name], copies[name], f"{mode} of {name}")
            # Again, when more of it has changed.
            nbdcopy(disk["uri"], t.path("again"))
            same(references[name], t.path("again"), f"{mode} again, {name}")
    finally:
        for writer in writers:
            writer.stop()
    t.say(f"{mode}: {[w.count for w in writers]} writes")


def without_iothread(t, daemon):
    storage = Storage(t, {"a": "raw", "b": "qcow2"})
    before = storage.state()
    copies = {disk: t.path(f"{disk}.copy") for disk in "ab"}
    daemon.add(storage)
    pull(t, storage, daemon, ("--checkpoint", "mon"), "full", copies)
    daemon.commit()
    for n in range(2):
        last = "mon" if n == 0 else "tue"
        pull(t, storage, daemon, ("--checkpoint", "tue" if n == 0 else "wed",
                                  "--incremental", last), "incremental",
             copies)
        daemon.commit()
    pull(t, storage, daemon, ("--incremental", "mon"), "incremental",
         {disk: reference(t, storage, disk) and copies[disk]
          for disk in copies})
    daemon.abort()
    for name in ("mon", "tue", "wed"):
        daemon.cli("checkpoint-delete", "vm1", name)
    now = storage.state()
    t.check(now == before, f"left: {now}, was {before}")
    daemon.assert_nothing_left()
    daemon.cli("domain-remove", "vm1")


def with_iothread(t, daemon):
    """QEMU 7.2 crashes when a node is put above one of an iothread: what has
    to be read through it is refused, raw and qcow2 are read all the same."""
    storage = Storage(t, {"a": "raw", "b": "qcow2", "c": "vdi"}, iothread=True)
    before = storage.state()
    daemon.add(storage)
    daemon.refuses("backup-begin", "vm1", saying=("disk c", "iothread"))
    need(storage.process.poll() is None, "qemu-storage-daemon is gone")
    t.check(storage.state() == before, f"left: {storage.state()}")
    copies = {disk: t.path(f"io-{disk}.copy") for disk in "ab"}
    these = ("--disk", "a", "--disk", "b")
    pull(t, storage, daemon, (*these, "--checkpoint", "mon"), "full", copies)
    daemon.commit()
    pull(t, storage, daemon, (*these, "--incremental", "mon"), "incremental",
         copies)
    daemon.abort()


def test(t):
    if not os.path.exists("/dev/fuse"):
        raise Skip("there is no /dev/fuse")
    daemon = Daemon(t)
    without_iothread(t, daemon)
    with_iothread(t, daemon)
    daemon.terminate()


main(test)
