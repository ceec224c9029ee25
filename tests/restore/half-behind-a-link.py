#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mark of a half restored image is beside the file itself: it is also seen where QEMU
opens that by a symbolic link, its own or that of a folder, and the daemon knows nothing else of
the restore."""

import os

from pullbacktest import VM, Daemon, Disk, MIB, main, run
from pullbacktest.restore import MARK, restore_begin, write_random

SIZE = 4 * MIB


def test(t):
    daemon = Daemon(t, name="one")
    folder = t.path("folder")
    os.mkdir(folder)
    path = write_random(t, os.path.join(folder, "disk.raw"), SIZE)
    info = restore_begin(daemon, "--image", path, "--format", "raw")
    run("nbdcopy", write_random(t, t.path("source"), SIZE),
        info["uri"]["vda"])
    daemon.cli("restore-abort", "disk")
    daemon.leave()
    t.check(os.path.exists(path + MARK), "no mark")

    daemon = Daemon(t, name="other")
    os.symlink(path, t.path("link.raw"))
    os.symlink(folder, t.path("link"))
    overlay = t.path("over.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", t.path("link.raw"),
        "-F", "raw", overlay)
    for kind, name in ("raw", t.path("link.raw")), \
            ("raw", os.path.join(t.path("link"), "disk.raw")), \
            ("qcow2", overlay), ("raw", path):
        vm = VM(t, [Disk("vda", kind, SIZE, path=name)], boot=False)
        daemon.add(vm)
        daemon.refuses("backup-begin", "vm1", saying=("half", MARK))
        daemon.cli("domain-remove", "vm1")
        vm.quit()
    os.unlink(path + MARK)
    vm = VM(t, [Disk("vda", "raw", SIZE, path=t.path("link.raw"))], boot=False)
    daemon.add(vm)
    daemon.begin()
    daemon.abort()
    daemon.terminate()


main(test)
