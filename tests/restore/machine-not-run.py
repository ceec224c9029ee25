#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""The disks of a virtual machine that has not run are restored in its QEMU, whatever devices they
have, and by whichever threads these are served: clients write them, a commit leaves what they
wrote, an abort of what nobody wrote leaves the old disk, and QEMU is each time as it was."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, compare, freeze, main, run,
                          wait_until)
from pullbacktest.differ import serve
from pullbacktest.restore import MARK, restore_begin, restores, write_random

SIZE = 4 * MIB
IOTHREAD = ["-object", "iothread,id=io"]
SCSI = ["-device", "virtio-scsi-pci,id=scsi{}",
        "-device", "scsi-hd,id=vda,drive=node-vda"]


def scsi(more):
    return [word.format(more) for word in SCSI]


# Of Disk; then more words for QEMU.
MACHINES = {
    "virtio": ({}, []),
    "qcow2": ({"form": "qcow2"}, []),
    "virtio, iothread": ({"iothread": True}, []),
    "qcow2, iothread": ({"form": "qcow2", "iothread": True}, []),
    "shared": ({"shareable": True}, []),
    "scsi": ({"device": False}, scsi("")),
    "scsi, iothread": ({"device": False}, IOTHREAD + scsi(",iothread=io")),
    "ide": ({"device": False}, ["-device", "ide-hd,id=vda,drive=node-vda"]),
    "awaited": ({}, ["-incoming", "defer"]),
    "awaited, iothread": ({"iothread": True, "form": "qcow2"},
                          ["-incoming", "defer"]),
    "no device": ({"device": False}, []),
}


def marks(disks):
    return [d.path for d in disks if os.path.exists(d.path + MARK)]


class Bench:
    def __init__(self, t):
        self.t = t
        self.daemon = Daemon(t)
        self.source = write_random(t, t.path("source"), SIZE, (1,))

    def begin(self, disks, *words):
        reply = restore_begin(self.daemon, "web1", *words)
        self.t.check(sorted(reply["uri"]) == sorted(d.name for d in disks),
                     f"{reply}")
        self.t.check(marks(disks) == [d.path for d in disks],
                     f"marked: {marks(disks)}")
        return reply["uri"]

    def as_before(self, what, vm, before):
        self.t.check(vm.state() == before,
                     f"{what}: {vm.state()}, was {before}")
        self.t.check(not marks(vm.disks.values()) and
                     restores(self.daemon) == {}, f"{what}: left marks")

    def one(self, what, disks, more, words=()):
        vm = VM(self.t, disks, boot=False, more=more)
        self.daemon.cli("domain-add", "web1", "--qmp", vm.qmp_path)
        before = vm.state()
        self.begin(disks, *words)
        self.daemon.cli("restore-abort", "web1")
        self.as_before(f"{what}, aborted", vm, before)
        for disk, uri in self.begin(disks, *words).items():
            run("nbdcopy", self.source, uri)
            self.t.check(disk in vm.disks, disk)
        self.daemon.cli("restore-commit", "web1")
        self.as_before(f"{what}, committed", vm, before)
        for disk in disks:
            copy = vm.reference_copy(disk, self.t.path("copy"))
            self.t.check(compare(copy, self.source) is None,
                         f"{what}: {disk.name} is not what was written")
        self.daemon.cli("domain-remove", "web1")
        vm.quit()
        for disk in disks:
            os.unlink(disk.path)


def refused(t, bench):
    """What a guest would have otherwise than it was written, or nobody would know of later."""
    code, variables = t.path("code"), t.path("variables")
    for path, size in (code, MIB), (variables, MIB // 4):
        with open(path, "wb") as image:
            image.truncate(size)
    remote = t.path("remote")
    with open(remote, "wb") as image:
        image.truncate(SIZE)
    server = serve(t, "remote", "file", remote)
    vm = VM(t, [Disk("vda", size=SIZE, shareable=True), Disk("vdb", size=SIZE)],
            boot=False, more=[
                "-drive", f"if=pflash,format=raw,readonly=on,file={code}",
                "-drive", f"if=pflash,format=raw,file={variables}",
                "-device", "virtio-blk-pci,id=vdc,drive=node-vda,share-rw=on",
                "-blockdev", "driver=nbd,node-name=far,server.type=unix,"
                f"server.path={server.socket}",
                "-device", "virtio-blk-pci,id=vdd,drive=far"])
    bench.daemon.cli("domain-add", "web1", "--qmp", vm.qmp_path)
    for words, saying in (
            ((), ("node-vda", "another device")),
            (("--disk", "vda"), ("vda", "another device")),
            (("--disk", "x=node-vda"), ("x", "another device")),
            (("--disk", "pflash1"), ("pflash1", "flash memory")),
            (("--disk", "vdd"), ("vdd", "local file"))):
        bench.daemon.refuses("restore-begin", "web1", *words, saying=saying)
    bench.begin([vm.disks["vdb"]], "--disk", "vdb")
    bench.daemon.cli("restore-abort", "web1")
    bench.daemon.cli("domain-remove", "web1")
    vm.quit()
    for disk in vm.disks.values():
        os.unlink(disk.path)


def flash_is_left_out(t, bench):
    code = t.path("code")
    disk = Disk("vdf", size=SIZE)
    vm = VM(t, [disk], boot=False,
            more=["-drive", f"if=pflash,format=raw,file={code}"])
    bench.daemon.cli("domain-add", "web1", "--qmp", vm.qmp_path)
    bench.begin([disk])
    bench.daemon.cli("restore-abort", "web1")
    bench.daemon.cli("domain-remove", "web1")
    vm.quit()


def bitmaps_arrive(vm):
    vm.qmp("migrate-set-capabilities", capabilities=[
        {"capability": "dirty-bitmaps", "state": True}])


def backup(t, vm, daemon, *words):
    begun, references = freeze(t, vm, daemon, *words)
    disk = begun["disk"]["vda"]
    daemon.commit()
    return disk


def bitmaps_come_later(t, bench):
    """Bitmaps that come with the memory know nothing of the restore before."""
    disk = Disk("vda", "raw", SIZE)
    state = t.path("memory")
    vm = VM(t, [disk], boot=False)
    bench.daemon.add(vm)
    backup(t, vm, bench.daemon, "--checkpoint", "c0")
    bitmaps_arrive(vm)
    vm.qmp("migrate", uri=f"exec:cat > {state}")
    wait_until(lambda: vm.qmp("query-migrate").get("status") == "completed",
               message="it is not saved")
    vm.quit()
    vm.more += ["-incoming", "defer"]
    vm.start()
    bitmaps_arrive(vm)
    reply = restore_begin(bench.daemon, "vm1")
    run("nbdcopy", bench.source, reply["uri"]["vda"])
    bench.daemon.cli("restore-commit", "vm1")
    vm.qmp("migrate-incoming", uri=f"exec:cat {state}")
    wait_until(lambda: vm.qmp("query-status")["status"] != "inmigrate",
               message="it is not loaded")
    vm.resume()
    vm.pause()
    told = backup(t, vm, bench.daemon, "--incremental", "c0")
    t.check(told["mode"] == "full" and told["reason"] == "image-restored",
            f"{told}")
    bench.daemon.cli("domain-remove", "vm1", check=False)
    vm.quit()
    os.unlink(disk.path)


def saved(t, bench):
    """Memory that was saved is loaded after its disk was restored."""
    disk = Disk("vda", "qcow2", SIZE)
    state = t.path("memory")
    vm = VM(t, [disk], boot=False)
    vm.qmp("migrate", uri=f"exec:cat > {state}")
    wait_until(lambda: vm.qmp("query-migrate").get("status") == "completed",
               message="it is not saved")
    vm.quit()
    vm = VM(t, [disk], boot=False, more=["-incoming", "defer"])
    bench.daemon.cli("domain-add", "web1", "--qmp", vm.qmp_path)
    run("nbdcopy", bench.source, bench.begin([disk])["vda"])
    bench.daemon.cli("restore-commit", "web1")
    vm.qmp("migrate-incoming", uri=f"exec:cat {state}")
    wait_until(lambda: vm.qmp("query-status")["status"] != "inmigrate",
               message="it is not loaded")
    vm.resume()
    t.check(vm.qmp("query-status")["status"] == "running", "it does not run")
    vm.pause()
    t.check(compare(vm.reference_copy("vda", t.path("copy")),
                    bench.source) is None, "it has another disk")
    bench.daemon.refuses("restore-begin", "web1", saying=("run", "web1"))


def test(t):
    bench = Bench(t)
    for what, (options, more) in MACHINES.items():
        words = ["--disk", "vda=node-vda"] if what == "no device" else []
        bench.one(what, [Disk("vda", size=SIZE, **options)], more, words)
    bench.one("two", [Disk("vda", "qcow2", SIZE), Disk("vdb", "raw", SIZE)],
              [])
    refused(t, bench)
    flash_is_left_out(t, bench)
    bitmaps_come_later(t, bench)
    saved(t, bench)
    bench.daemon.terminate()


main(test)
