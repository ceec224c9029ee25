#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that was written to and not committed is half restored: it is marked and
listed, no backup-begin takes a disk that has it, also below another image, a restore
of that name begins again, and only the user's word removes the mark.  One that nobody
wrote to is as it was."""

import os

from pullbacktest import VM, Daemon, Disk, MIB, main, run, same
from pullbacktest.restore import (MARK, restore_begin, restores,
                                  write_random)

SIZE = 4 * MIB


def test(t):
    daemon = Daemon(t)
    path = write_random(t, t.path("disk.raw"), SIZE)
    source = write_random(t, t.path("source"), SIZE)
    run("cp", path, t.path("before"))
    words = ("--image", path, "--format", "raw")
    info = restore_begin(daemon, *words)
    run("nbdcopy", info["uri"]["vda"], t.path("read"))
    same(path, t.path("read"), "what is read back")
    daemon.cli("restore-abort", "disk")
    t.check(not os.path.exists(path + MARK), "marked, but nobody wrote")
    same(path, t.path("before"), "an abort")
    info = restore_begin(daemon, *words)
    run("nbdcopy", source, info["uri"]["vda"])
    t.check(daemon.cli("restore-abort", "disk")["state"] == "half", "not half")
    t.check(os.path.exists(path + MARK), "written to, but not marked")
    daemon.refuses("restore-abort", "disk", saying=("disk", "half", "forget"))
    daemon.refuses("restore-commit", "disk", saying=("disk", "half"))
    daemon.refuses("restore-begin", "more", *words, saying=(path, "disk"))
    daemon.refuses("restore-begin", "disk", "--image", t.path("before"),
                   "--format", "raw", saying=(path, "forget"))

    overlay = t.path("over.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", path, "-F", "raw",
        overlay)
    for disk in Disk("vda", "raw", SIZE, path=path), \
            Disk("vda", "qcow2", SIZE, path=overlay):
        vm = VM(t, [disk], boot=False)
        daemon.add(vm)
        daemon.refuses("backup-begin", "vm1", saying=(path, "half", "disk"))
        daemon.cli("domain-remove", "vm1")
        vm.quit()
    daemon.kill9()
    daemon.start()
    t.check(restores(daemon) == {"disk": "half"}, f"{restores(daemon)}")
    info = restore_begin(daemon, *words)
    daemon.cli("restore-abort", "disk")
    t.check(restores(daemon) == {"disk": "half"}, "whole by an abort")
    info = restore_begin(daemon, *words)
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "disk")
    same(path, source, "restored again")
    t.check(not os.path.exists(path + MARK), "committed, but marked")
    vm = VM(t, [Disk("vda", "raw", SIZE, path=path)], boot=False)
    daemon.add(vm)
    daemon.begin()
    daemon.refuses("restore-begin", *words, saying=(path, "in use", "qemu"))
    daemon.abort()
    daemon.terminate()


main(test)
