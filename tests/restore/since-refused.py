#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""Where it is not certain what has changed since a checkpoint, --since is refused with one
sentence, and the image is as it was, without a mark: whatever was asked for wrongly, and
whatever the chain lacks."""

import os
import shutil

from pullbacktest import MIB, VM, Daemon, Disk, main, need, run
from pullbacktest.restore import MARK, restore_begin, restores

SIZE = 8 * MIB


class Case:
    """A virtual machine with two disks, that is off; three checkpoints mon, tue and wed."""

    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", "qcow2", SIZE), Disk("vdb", "qcow2", SIZE)],
                     boot=False)
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)

    def path(self, disk="vda"):
        return self.vm.disks[disk].path

    def bytes(self, disk):
        """Of the disk; what QEMU keeps beside them changes when it is opened."""
        raw = self.t.path("raw")
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", self.path(disk),
            raw)
        with open(raw, "rb") as stream:
            return stream.read()

    def write(self, mib, disk="vda"):
        said = self.vm.qmp.hmp(f"qemu-io -d /machine/peripheral/{disk}/"
                               f"virtio-backend \"write -q {mib}M 64k\"")
        need(not said.strip(), said)

    def checkpoint(self, name, *words):
        self.daemon.cli("checkpoint-create", "vm1", name, *words)
        self.write(len(name))

    def begin(self, *words):
        return restore_begin(self.daemon, "r", *words)

    def refuses(self, *words, saying=(), disk="vda"):
        before = self.bytes(disk)
        self.daemon.refuses("restore-begin", "r", *words, saying=saying)
        self.t.check(self.bytes(disk) == before, f"{words}: it was changed")
        self.t.check(not os.path.exists(self.path(disk) + MARK),
                     f"{words}: it is marked")
        self.t.check(restores(self.daemon) == {}, f"{restores(self.daemon)}")

    def since(self, name, *saying, disk="vda", path=None):
        self.refuses("--image", f"{disk}={path or self.path(disk)}", "--format",
                     "qcow2", "--since", name, saying=(name, *saying),
                     disk=disk)

    def works(self, name, granules):
        info = self.begin("--image", self.path(), "--format", "qcow2",
                          "--since", name)
        changed = info["disks"][0]["changed"]
        self.t.check(changed == granules * 65536, f"{name}: {changed}")
        self.daemon.cli("restore-abort", "r")


def wrong_words(case):
    new = case.t.path("new.qcow2")
    raw = case.t.path("r.raw")
    run("qemu-img", "create", "-q", "-f", "raw", raw, str(SIZE))
    case.since("fri", "fri", "checkpoint-list")
    case.since("tue", case.path("vdb"), "not made of", disk="vdb")
    case.refuses("--image", case.path(), "--format", "qcow2", "--since",
                 "../x", saying=("../x",))
    case.refuses("--image", raw, "--format", "raw", "--since", "mon",
                 saying=(raw, "raw", "--differing-from"))
    case.refuses("--image", new, "--create", "qcow2", "--size", "8M",
                 "--since", "mon", saying=("--since", "exist"))
    case.refuses("--image", case.path(), "--format", "qcow2", "--since", "mon",
                 "--differing-from", "nbd://localhost/",
                 saying=("--since", "--differing-from"))
    # The same bitmaps, but no checkpoint was made of it.
    copy = case.t.path("copy.qcow2")
    shutil.copyfile(case.path(), copy)
    case.since("mon", copy, "not made of", path=copy)
    os.rename(case.path(), case.path() + ".moved")
    os.rename(copy, case.path())
    case.since("mon", "not made of")
    os.rename(case.path() + ".moved", case.path())
    case.works("mon", 1)


def edited(case, words, name, *saying):
    """WORDS of qemu-img make the chain lack something."""
    with open(case.path(), "rb") as stream:
        before = stream.read()
    run("qemu-img", *words)
    case.since(name, "--differing-from", *saying)
    # The same file, as it was.
    with open(case.path(), "wb") as stream:
        stream.truncate()
        stream.write(before)


def bitmaps(case):
    path = case.path()
    edited(case, ("bitmap", "--remove", path, "tue"), "mon", "tue is missing")
    edited(case, ("bitmap", "--remove", path, "mon"), "mon", "mon is missing")
    edited(case, ("bitmap", "--disable", path, "wed"), "mon",
           "wed does not record")
    run("qemu-io", "-f", "qcow2", "-c", "write -q 7M 64k", path)
    case.works("tue", 2)


def killed(case):
    """QEMU had no time to save what it recorded."""
    case.vm.start()
    case.write(1)
    case.vm.kill9()
    case.since("mon", "mon was not saved", "--differing-from")
    case.since("wed", "wed was not saved", "--differing-from")


def gap(case):
    """What was not merged; what was is in the range."""
    case.vm.start()
    for name in "tue", "mon", "wed":
        case.daemon.cli("checkpoint-delete", "vm1", name, check=False)
    for name in "a", "b", "c", "d":
        case.checkpoint(name)
    case.daemon.cli("checkpoint-delete", "vm1", "b")
    case.vm.quit()
    case.works("a", 1)
    case.vm.start()
    case.daemon.cli("checkpoint-delete", "vm1", "c", "--metadata")
    case.vm.quit()
    case.since("a", "before checkpoint d", "--differing-from")
    case.works("d", 1)


def resized(case):
    case.vm.start()
    case.checkpoint("small")
    case.vm.quit()
    edited(case, ("resize", "-q", "-f", "qcow2", "--shrink", case.path(), "4M"),
           "small", "larger")
    run("qemu-img", "resize", "-q", "-f", "qcow2", case.path(), "16M")
    case.works("small", 1 + 8 * 16)


def restored_below(case):
    """What its backing file was when the checkpoint was made nobody knows."""
    base, top = (case.t.path(name) for name in ("base.raw", "top.qcow2"))
    run("qemu-img", "create", "-q", "-f", "raw", base, str(SIZE))
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    vm = VM(case.t, [Disk("vda", "qcow2", path=top)], boot=False)
    case.daemon.add(vm, name="vm2")
    case.daemon.cli("checkpoint-create", "vm2", "low")
    vm.quit()
    words = ("--image", top, "--format", "qcow2", "--since", "low")
    case.begin(*words)
    case.daemon.cli("restore-abort", "r")
    half_below(case, base, words)
    case.daemon.cli("restore-commit", "base")
    case.refuses(*words, saying=(base, "low", "--differing-from"))


def half_below(case, base, words):
    """By another daemon, or by this one: no bitmap and no ledger knows of it yet."""
    with open(base + MARK, "w", encoding="utf-8"):
        pass
    case.refuses(*words, saying=("half restored", base + MARK))
    os.remove(base + MARK)
    again = ("--image", base, "--format", "raw")
    uri = restore_begin(case.daemon, "base", *again)["uri"]["vda"]
    run("qemu-io", "-f", "raw", "-c", "write -q 0 4k", uri)
    case.daemon.cli("restore-abort", "base")
    case.daemon.refuses("restore-begin", "r", *words,
                        saying=(base, "half restored", "the restore base"))
    case.t.check(list(restores(case.daemon)) == ["base"], "r was begun")
    restore_begin(case.daemon, "base", *again)


def tentative(case):
    """Nobody has said that the copy of then is good."""
    case.vm.start()
    case.daemon.begin("--checkpoint", "t")
    case.vm.quit()
    case.since("t", "tentative", "--differing-from")


def test(t):
    case = Case(t)
    for name in "mon", "tue", "wed":
        case.checkpoint(name, "--disk", "vda")
    case.vm.quit()
    wrong_words(case)
    bitmaps(case)
    killed(case)
    gap(case)
    resized(case)
    restored_below(case)
    tentative(case)
    case.daemon.terminate()


main(test)
