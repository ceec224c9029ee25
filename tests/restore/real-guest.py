#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: stress --all
"""A guest that works on two file systems, its own system's one of them, is backed up in
full and three times incrementally, into raw copies and into qcow2 chains.  What stock clients
restore of that is at each checkpoint what was frozen there, byte by byte, and clean for
e2fsck; the guest boots from it, and the incremental backup after that is right, where the
chain is kept and where it has ended.

--all: each client with each target, source and checkpoint; else each client with each
target."""

import itertools
import os
import re
import shutil
import sys

import nbd

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, freeze, main, nbdcopy,
                          need, need_programs, pull_dirty, run, same,
                          wait_until)
from pullbacktest.clients import extents, open_nbd
from pullbacktest.guest import make_root
from pullbacktest.restore import beside, restore_begin, restores
from pullbacktest.restoreside import loop_device

DISKS = ("vda", "vdb")
SIZE = 40 * MIB + 5 * 512       # no whole number of granules
LARGER = 7 * MIB + 512
BACKUPS = 4                     # one full, three incremental
WORK = MIB                  # what the guest writes at least in between
ENDED = ("raw-restarted", "bitmap-inconsistent")        # with the QEMU that had it
OVERLAY = ("-S", "0", "--destination-is-zero", "--request-size=65536", "--")


# --- clients that write back -----------------------------------------------------

def by_nbdcopy(source, form, uri):
    run("nbdcopy", "--flush", "--", "[", "qemu-nbd", "-r", "-f", form, source,
        "]", uri)


def by_qemu_img(source, form, uri):
    run("qemu-img", "convert", "-n", "-f", form, "-O", "raw", source, uri)


def by_python(source, form, uri):
    have, there = nbd.NBD(), open_nbd(uri, strict=False)
    have.add_meta_context("base:allocation")
    have.connect_systemd_socket_activation(["qemu-nbd", "-r", "-f", form, source])
    for offset, length, flags in extents(have):
        for at in range(offset, offset + length, MIB):
            step = min(MIB, offset + length - at)
            if flags & 2:
                there.zero(step, at)
            else:
                there.pwrite(have.pread(step, at), at)
    there.flush()
    there.shutdown()
    have.shutdown()


CLIENTS = (by_nbdcopy, by_qemu_img, by_python)


# --- the guest, and its backups --------------------------------------------------

class Stage:
    def __init__(self, t):
        self.t, self.checked = t, set()
        self.restored, self.taken = 0, BACKUPS
        disks = [Disk(name, form, SIZE, path=t.path(f"{name}.{form}"))
                 for name, form in zip(DISKS, ("raw", "qcow2"))]
        make_root(disks[0].path, SIZE, t.path("root"))
        data = t.path("data")
        with open(data, "wb") as stream:
            stream.truncate(SIZE)
        run("mke2fs", "-q", "-F", "-t", "ext4", data)
        run("qemu-img", "convert", "-O", "qcow2", data, disks[1].path)
        self.vm = VM(t, disks, root="vda")
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)

    def reference(self, disk, n):
        return self.t.path(f"{disk}.{n}.frozen")

    def source(self, kind, disk, n):
        """(image, its format)"""
        form = "raw" if kind == "patched" else "qcow2"
        return self.t.path(f"{disk}.{n}.{kind}"), form

    # -- the guest's life

    def written(self):
        return min(device["stats"]["wr_bytes"] for device in
                   self.vm.qmp("query-blockstats"))

    def start_work(self):
        self.vm.guest("mount vdb")
        self.vm.guest(f"fswork seed={self.t.random.randrange(1000)}")

    def work(self):
        """The guest does some of it."""
        before = self.written()
        wait_until(lambda: self.written() >= before + WORK, 120,
                   "the guest does not work on both disks")

    def umounted(self):
        """What was killed may have a file open for a moment."""
        try:
            self.vm.guest("umount")
        except Failed:
            return False
        return True

    def leave(self):
        """The guest is switched off, having seen no error."""
        self.vm.guest("stop")
        wait_until(self.umounted, 60, "vdb cannot be unmounted")
        with open(self.vm.log_path + ".console", errors="replace") as stream:
            told = re.findall(r".*(?:I/O error|EXT4-fs error).*", stream.read())
        need(not told, f"the guest saw errors: {told}")
        self.vm.quit()

    def boot_from(self, **disks):
        """From these: Disk by name."""
        self.vm.disks = {name: disks[name] for name in DISKS}
        self.vm.start()
        self.start_work()
        self.work()

    # -- backups

    def frozen(self, n, *words):
        """A begin: its disks; what is frozen is the reference N."""
        begun, references = freeze(self.t, self.vm, self.daemon, *words)
        for disk, path in references.items():
            os.rename(path, self.reference(disk, n))
        return begun["disk"]

    def pull(self, n, disk):
        """Onto the raw copy, and into the chain, of the backup before."""
        name = disk["name"]
        patched, chain = (self.source(kind, name, n)[0]
                          for kind in ("patched", "chain"))
        if n == 0:
            nbdcopy(disk["uri"], patched)
            run("qemu-img", "convert", "-O", "qcow2", disk["uri"], chain)
            return
        shutil.copyfile(self.source("patched", name, n - 1)[0], patched)
        pull_dirty(disk, patched)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
            self.source("chain", name, n - 1)[0], chain)
        run("nbdcopy", *OVERLAY, disk["uri-dirty"], "[", "qemu-nbd", "-f",
            "qcow2", chain, "]")

    def back_up(self):
        for n in range(BACKUPS):
            self.work()
            since = ["--incremental", f"c{n - 1}"] if n > 0 else []
            disks = self.frozen(n, "--checkpoint", f"c{n}", *since)
            for disk in disks.values():
                need(disk["mode"] == ("incremental" if n > 0 else "full"),
                     f"{disk}")
                self.pull(n, disk)
            self.daemon.commit()

    def pull_after(self, modes, since, *words):
        """A backup since the checkpoint of backup SINCE, onto copies of that one's: right?"""
        disks = self.frozen(self.taken, "--incremental", f"c{since}", *words)
        for name, mode in zip(DISKS, modes):
            disk = disks[name]
            copy, before = (self.source("patched", name, n)[0]
                            for n in (self.taken, since))
            need(disk["mode"] == mode, f"since c{since}: {disk}")
            if mode == "full":
                need(disk["reason"] in ENDED, f"since c{since}: {disk}")
                nbdcopy(disk["uri"], copy)
            else:
                shutil.copyfile(before, copy)
                pull_dirty(disk, copy)
            same(self.reference(name, self.taken), copy,
                 f"{name} since c{since}")

    def follow(self, modes, since):
        """A backup with a checkpoint, then one since that, incremental whatever that was."""
        self.pull_after(modes, since, "--checkpoint", f"c{self.taken}")
        self.daemon.commit()
        self.taken += 1
        self.work()
        self.pull_after(("incremental", "incremental"), self.taken - 1)
        self.daemon.abort()


# --- restores ------------------------------------------------------------------------

class Restore:
    """Both disks are restored to what they were at checkpoint N."""

    def __init__(self, stage, n, kind, client):
        self.stage, self.t, self.daemon = stage, stage.t, stage.daemon
        self.n, self.kind, self.client = n, kind, client
        stage.restored += 1
        self.name = f"r{stage.restored}"
        self.what = f"c{n}, {kind}, {client.__name__}"

    def paths(self, form):
        return {disk: self.t.path(f"{self.name}.{disk}.{form}")
                for disk in DISKS}

    def write(self, images, *words):
        begun = restore_begin(self.daemon, self.name, *(
            word for disk, path in images.items()
            for word in ("--image", f"{disk}={path}")), *words)
        for disk in images:
            self.client(*self.stage.source(self.kind, disk, self.n),
                        begun["uri"][disk])
        self.daemon.cli("restore-commit", self.name)
        need(restores(self.daemon) == {}, f"{restores(self.daemon)}")
        for path in filter(os.path.isfile, images.values()):
            need(beside(path) == [os.path.basename(path)],
                 f"left {beside(path)}")

    def check(self, disk, path, form="raw"):
        """The image is what was frozen, for e2fsck too; behind the disk's end are zeros."""
        content = content_of(self.t, path, form)
        with open(content, "r+b") as stream:
            stream.seek(SIZE)
            need(not stream.read().strip(b"\0"), f"{self.what}: behind the "
                 f"end of {disk} something is not zero")
            stream.truncate(SIZE)
        same(self.stage.reference(disk, self.n), content,
             f"{self.what}, {disk}")
        # The same bytes are looked at once.
        if (disk, self.n) not in self.stage.checked:
            self.stage.checked.add((disk, self.n))
            need_clean(content)


def content_of(t, path, form):
    """A raw copy of the disk in an image."""
    if form == "qcow2":
        run("qemu-img", "check", "-q", "-f", form, path)
    content = t.path("content")
    run("qemu-img", "convert", "-f", form, "-O", "raw", path, content)
    return content


def need_clean(path):
    """The journal was written by a guest that goes on; then nothing is wrong."""
    done = run("e2fsck", "-fp", path, check=False)
    need(done.returncode in (0, 1), f"e2fsck {path}: {done.stdout}")
    run("e2fsck", "-fn", path)


def into_raw(restore, more=0):
    images = restore.paths("raw")
    restore.write(images, "--create", "raw", "--size", str(SIZE + more))
    for disk, path in images.items():
        need(os.stat(path).st_size == SIZE + more, f"size of {path}")
        restore.check(disk, path)
        os.unlink(path)


def into_larger(restore):
    into_raw(restore, LARGER)


def into_qcow2(restore):
    cluster = restore.t.random.choice(("512", "4k", "2M"))
    images = restore.paths("qcow2")
    restore.write(images, "--create", "qcow2", "--size", str(SIZE), "--option",
                  f"cluster_size={cluster}")
    for disk, path in images.items():
        restore.check(disk, path, "qcow2")
        os.unlink(path)


def into_devices(restore):
    """Something is there before."""
    files = restore.paths("file")
    for path in files.values():
        fill(restore.t, path)
    with loop_device(files["vda"]) as a, loop_device(files["vdb"]) as b:
        restore.write({"vda": a, "vdb": b}, "--format", "raw")
        for disk, device in zip(DISKS, (a, b)):
            restore.check(disk, device)
    for path in files.values():
        os.unlink(path)


def fill(t, path):
    with open(path, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))


TARGETS = (into_raw, into_devices, into_qcow2, into_larger)


def round_trips(stage, everything):
    """What one does not vary comes in turn, from a random start on."""
    t = stage.t
    sources = list(itertools.product(("patched", "chain"), range(BACKUPS)))
    t.random.shuffle(sources)
    turn = itertools.cycle(sources)
    for client, target in itertools.product(CLIENTS, TARGETS):
        for kind, n in sources if everything else [next(turn)]:
            target(Restore(stage, n, kind, client))
    need(len(stage.checked) == BACKUPS * len(DISKS),
         f"only {stage.checked} were looked at")


def smaller(stage):
    """The client refuses, or is refused; nothing is left."""
    t, small = stage.t, str(SIZE - 512)
    for client in CLIENTS:
        restore = Restore(stage, 3, "patched", client)
        images = restore.paths("raw")
        try:
            restore.write(images, "--create", "raw", "--size", small)
        except (Failed, nbd.Error) as error:
            text = str(error)
        else:
            raise Failed(f"{client.__name__} wrote into what is smaller")
        t.say(f"{client.__name__}: {text}")
        need("restore-commit" not in text, text)
        stage.daemon.cli("restore-abort", restore.name)
        need(restores(stage.daemon) == {} and
             all(beside(path) == [] for path in images.values()), "left")


# --- the guest after a restore ------------------------------------------------------

def in_place(stage):
    """The guest goes on where it was at c1: of the qcow2 disk the chain is kept, of the raw
    one it had ended with QEMU."""
    disks = dict(stage.vm.disks)
    for name, disk in disks.items():
        restore = Restore(stage, 1, "chain", by_nbdcopy)
        restore.write({name: disk.path}, "--format", disk.form)
        restore.check(name, disk.path, disk.form)
    stage.boot_from(**disks)
    stage.pull_after(("full", "incremental"), 0)
    stage.daemon.abort()
    stage.work()
    stage.follow(("full", "incremental"), 3)
    stage.leave()
    for disk in disks.values():
        need_clean_disk(stage, disk)


def need_clean_disk(stage, disk):
    """Unmounted by the guest, or by its end."""
    content = content_of(stage.t, disk.path, disk.form)
    if disk.name == "vdb":
        run("e2fsck", "-fn", content)
    need_clean(content)


def elsewhere(stage):
    """The guest goes on where it was at c2, on a larger qcow2 image and a block device."""
    t = stage.t
    target, file = t.path("elsewhere.qcow2"), t.path("elsewhere")
    restore = Restore(stage, 2, "patched", by_qemu_img)
    restore.write({"vda": target}, "--create", "qcow2", "--size",
                  str(SIZE + LARGER), "--option", "cluster_size=2M")
    restore.check("vda", target, "qcow2")
    fill(t, file)
    with loop_device(file) as device:
        restore = Restore(stage, 2, "chain", by_python)
        restore.write({"vdb": device}, "--format", "raw")
        restore.check("vdb", device)
        disks = {"vda": Disk("vda", "qcow2", path=target),
                 "vdb": Disk("vdb", "raw", path=device, driver="host_device")}
        stage.boot_from(**disks)
        stage.follow(("full", "full"), 4)
        stage.leave()
        for disk in disks.values():
            need_clean_disk(stage, disk)


def test(t):
    need_programs("nbdkit", "qemu-nbd", "qemu-storage-daemon", "mke2fs",
                  "e2fsck", "cpio")
    stage = Stage(t)
    stage.start_work()
    stage.back_up()
    stage.leave()
    round_trips(stage, "--all" in sys.argv)
    smaller(stage)
    in_place(stage)
    elsewhere(stage)
    stage.daemon.terminate()


main(test)
