#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody makes QEMU open a disk's image anew during a backup: the commit is
refused if QEMU then bypasses the page cache that the view reads through, or
uses another file, and not refused if nothing that matters has changed."""

from pullbacktest import MIB, VM, Daemon, Disk, main


def begin_then(daemon, vm, **options):
    daemon.begin()
    vm.qmp("blockdev-reopen", options=[options])


def refused(t, daemon, what):
    daemon.refuses("backup-commit", "vm1", saying=["vda", "image", "anew"])
    t.check(daemon.info()["state"] == "broken", f"not broken: {what}")
    daemon.abort()


def test(t):
    image, other = t.path("vda.raw"), t.path("other.raw")
    for path in (image, other):
        with open(path, "wb") as stream:
            stream.write(t.random.randbytes(MIB))
    vm = VM(t, [Disk("vda", path=image)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    file = {"driver": "file", "node-name": "file-vda", "filename": image}
    disk = {"driver": "raw", "node-name": "node-vda"}

    begin_then(daemon, vm, **file, discard="ignore")
    daemon.commit()
    begin_then(daemon, vm, **file, cache={"direct": True})
    refused(t, daemon, "cache.direct switched on")
    begin_then(daemon, vm, **file, cache={"direct": False})
    daemon.commit()
    vm.qmp("blockdev-add", **{"driver": "file", "node-name": "file-other",
                              "filename": other})
    begin_then(daemon, vm, **disk, file="file-other")
    refused(t, daemon, "another file")
    daemon.assert_nothing_left()


main(test)
