#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A checkpoint that is redefined from its own XML still knows its images: another
image under the disk's name, with a bitmap of that name, is no base for a delta."""

import os
import shutil

from pullbacktest import MIB, VM, Daemon, Disk, main


def test(t):
    path, other = t.path("a.qcow2"), t.path("b.qcow2")
    vm = VM(t, [Disk("vda", "qcow2", 4 * MIB, path=path)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.ask("checkpoint-create", domain="vm1", checkpoint="c1")
    text = daemon.ask("checkpoint-dumpxml", domain="vm1",
                      checkpoint="c1")["xml"]
    for validate in (False, True):
        daemon.ask("checkpoint-create", domain="vm1", checkpoint_xml=text,
                   redefine=True, redefine_validate=validate)
    disk = daemon.begin("--incremental", "c1")["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"the same image: {disk}")
    daemon.abort()
    vm.quit()
    shutil.copyfile(path, other)
    os.rename(other, path)
    vm.start()
    disk = daemon.begin("--incremental", "c1")["disk"]["vda"]
    t.check(disk["mode"] == "full", f"another image: {disk}")
    daemon.abort()


main(test)
