#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk's node is given another file that QEMU has open as well, under a node of its
own as libvirt's are: the old file is still open there, but no backup has it for that
disk. Amid begin that fails; during a backup the commit is refused, also by the next
daemon."""

import os
import threading

from pullbacktest import MIB, VM, Daemon, Failed, main, run, wait_until

SIZE = 4 * MIB


class Case:
    def __init__(self, t, form, name):
        self.t, self.form, self.name = t, form, f"{form}-{name}"
        self.files = [t.path(f"{self.name}-{which}") for which in "ab"]
        for path, pattern in zip(self.files, (1, 2)):
            run("qemu-img", "create", "-q", "-f", form, path, str(SIZE))
            run("qemu-io", "-f", form, "-c", f"write -q -P {pattern} 0 {SIZE}",
                path)
        self.vm = VM(t, [], boot=False, more=[
            "-blockdev", f"file,node-name=f-a,filename={self.files[0]}",
            "-blockdev", f"file,node-name=f-b,filename={self.files[1]}",
            "-blockdev", f"{form},node-name=node-vda,file=f-a",
            *(["-device", "virtio-blk-pci,id=vda,drive=node-vda"]
              if name != "replug" else [])])
        self.pause = t.path(self.name + ".pause")
        self.daemon = Daemon(t, name=self.name,
                             env={"PULLBACK_PAUSE": self.pause})
        self.daemon.add(self.vm, "--disk", "vda=node-vda")

    def reopen(self):
        self.vm.qmp("blockdev-reopen", options=[
            {"driver": self.form, "node-name": "node-vda", "file": "f-b"}])

    def replug(self):
        self.vm.qmp("blockdev-del", node_name="node-vda")
        self.vm.qmp("blockdev-add", driver=self.form, node_name="node-vda",
                    file="f-b")

    def amid_begin(self, change):
        with open(self.pause, "w") as stream:
            stream.write("announce-freeze")
        said = []

        def begin():
            try:
                said.append(str(self.daemon.begin()))
            except Failed as error:
                said.append(str(error))

        thread = threading.Thread(target=begin)
        thread.start()
        paused = self.pause + ".paused"
        wait_until(lambda: os.path.exists(paused), 40, "no pause")
        change()
        os.unlink(paused)
        thread.join()
        self.t.check("image of disk vda" in said[0]
                     or "other images below disk vda" in said[0],
                     f"{self.name}: begin says {said[0]}")
        self.end()

    def amid_backup(self, restart):
        self.daemon.begin()
        if restart:
            self.daemon.kill9()
            self.daemon.start()
        self.reopen()
        self.daemon.refuses("backup-commit", "vm1", saying=["vda"])
        self.t.check(self.daemon.info()["state"] == "broken",
                     f"{self.name}: not broken")
        self.daemon.abort()
        self.end()

    def end(self):
        self.daemon.assert_nothing_left()
        self.daemon.end()
        self.vm.end()


def test(t):
    for form in ("raw", "qcow2"):
        for name in ("reopen", "replug"):
            case = Case(t, form, name)
            case.amid_begin(getattr(case, name))
        Case(t, form, "backup").amid_backup(restart=False)
        Case(t, form, "adopted").amid_backup(restart=True)


main(test)
