# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./demo shows.  A guest writes a file system on one disk (raw) and a
random pattern on another (qcow2).  A full backup is pulled, the guest writes
on, and an incremental one is pulled twice: by a client that knows dirty
bitmaps, and by stock tools that do not."""

import shutil
import time

from pullbacktest import (MIB, VM, Daemon, Disk, compare, freeze, main,
                          nbdcopy, pull_dirty, run, stop_load, wait_until)

SIZE = 256 * MIB
TITLES = ("backup", "disk", "format", "size", "pulled", "by", "seconds",
          "frozen", "bytes as at the freeze")


class Table:
    def __init__(self):
        self.rows = [TITLES]
        self.wrong = 0

    def add(self, what, disk, form, pulled, way, seconds, frozen, offset):
        self.wrong += offset is not None
        self.rows.append((what, disk["name"], form,
                          f"{disk['size'] / MIB:.1f} MiB",
                          f"{pulled / MIB:.1f} MiB", way, f"{seconds:.2f}",
                          f"{frozen:g} ms", "identical" if offset is None
                          else f"DIFFERENT at {offset}"))

    def show(self):
        widths = [max(map(len, column)) for column in zip(*self.rows)]
        for number, row in enumerate(self.rows):
            print("  ".join(f"{cell:{width}}" for cell, width in
                            zip(row, widths)).rstrip())
            if number == 0:
                print("  ".join("-" * width for width in widths))
        print(flush=True)


def timed(call, *arguments):
    start = time.monotonic()
    result = call(*arguments)
    return result, time.monotonic() - start


def written(vm):
    return sum(d["stats"]["wr_bytes"] for d in vm.qmp("query-blockstats"))


def guest_writes_on(vm, amount=24 * MIB):
    goal = written(vm) + amount
    wait_until(lambda: written(vm) > goal, 120, "the guest writes too little")


def full(t, vm, daemon, table):
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for name, disk in backup["disk"].items():
        copy = t.path(f"{name}.full")
        _, seconds = timed(nbdcopy, disk["uri"], copy)
        table.add("full mon", disk, vm.disks[name].form, disk["size"],
                  "nbdcopy", seconds, backup["frozen-ms"],
                  compare(references[name], copy))
    daemon.commit()


def stock_incremental(t, disk):
    """An overlay on the full copy gets what vda@dirty calls data: zeros that
    are data are written too (-S 0), what is no data is left alone.  nbdcopy
    rounds data up to whole requests, so these must be one granule."""
    name = disk["name"]
    overlay = t.path(f"{name}.tue.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
        t.path(f"{name}.full"), overlay)
    run("nbdcopy", "-S", "0", "--destination-is-zero",
        "--request-size=65536", "--", disk["uri-dirty"],
        "[", "qemu-nbd", "-f", "qcow2", overlay, "]")
    return overlay


def incremental(t, vm, daemon, table):
    backup, references = freeze(t, vm, daemon, "--checkpoint", "tue",
                                "--incremental", "mon")
    for name, disk in backup["disk"].items():
        form, frozen = vm.disks[name].form, backup["frozen-ms"]
        if disk["mode"] != "incremental":
            t.check(False, f"{name} is {disk['mode']}: {disk['reason']}")
            continue
        overlay, seconds = timed(stock_incremental, t, disk)
        rebuilt = t.path(f"{name}.rebuilt")
        run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", overlay,
            rebuilt)
        table.add("incr. tue", disk, form, disk["dirty-bytes"],
                  f"nbdcopy of {name}@dirty", seconds, frozen,
                  compare(references[name], rebuilt))
        copy = t.path(f"{name}.copy")
        shutil.copyfile(t.path(f"{name}.full"), copy)
        pulled, seconds = timed(pull_dirty, disk, copy)
        table.add("incr. tue", disk, form, pulled,
                  f"libnbd, {disk['context']}", seconds, frozen,
                  compare(references[name], copy))
    daemon.commit()


def demo(t):
    vm = VM(t, [Disk("vda", "raw", SIZE), Disk("vdb", "qcow2", SIZE)])
    daemon = Daemon(t)
    daemon.add(vm)
    vm.guest("mkfs vda")
    vm.guest("mount vda")
    seed = t.random.randrange(1 << 30)
    vm.guest(f"fswork seed={seed}")
    vm.guest(f"load seed={seed} disk=vdb rate=60")
    guest_writes_on(vm)
    t.say("the guest writes; full backup")
    table = Table()
    full(t, vm, daemon, table)
    t.say("the guest writes on; incremental backup")
    guest_writes_on(vm)
    incremental(t, vm, daemon, table)
    stats = stop_load(t, vm)
    print()
    table.show()
    t.say(f"guest: {stats['ops']} writes, zero writes and discards on vdb "
          f"beside the files on vda, {stats['errors']} I/O errors, slowest "
          f"{stats['max-ms']} ms")
    daemon.assert_nothing_left()
    t.check(table.wrong == 0, f"{table.wrong} copies are not as at the "
            "freeze")
    t.check(len(table.rows) == 7, "not all pulls were done")


main(demo)
