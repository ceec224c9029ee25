#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another file takes the place of a disk's image during a backup, and then the
view is killed: the view that is started again shows the frozen disk, not the
other file.  So it does when the image has no path any more."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, nbdcopy, wait_until

SIZE = 8 * MIB


def kill_view(daemon):
    before = daemon.info()
    kill(daemon.pid_of("view"))

    def again():
        now = daemon.info()
        return now["restarts"]["view"] > before["restarts"]["view"] \
            and now["processes"]["view"] > 0
    wait_until(again, 30, "the view is not started again")


def is_frozen(t, backup, frozen, when):
    copy = t.path("copy")
    nbdcopy(backup["disk"]["vda"]["uri"], copy)
    with open(copy, "rb") as stream:
        t.check(stream.read() == frozen, f"not the frozen disk {when}")
    os.unlink(copy)


def holds(pid, inode):
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.stat(f"/proc/{pid}/fd/{name}").st_ino == inode:
                return True
        except OSError:
            pass
    return False


def test(t):
    image = t.path("vda.raw")
    frozen = t.random.randbytes(SIZE)
    with open(image, "wb") as stream:
        stream.write(frozen)
    vm = VM(t, [Disk("vda", "raw", SIZE, path=image)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    backup = daemon.begin()
    t.check(daemon.info()["disks"][0]["source"] == "direct",
            "the image is not read directly")
    inode = os.stat(image).st_ino
    os.rename(image, image + ".moved")
    with open(image, "wb") as stream:
        stream.write(t.random.randbytes(SIZE))
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               "\"write -P 7 1M 1M\"")
    is_frozen(t, backup, frozen, "after the images were swapped")
    kill_view(daemon)
    is_frozen(t, backup, frozen, "after the view was killed")
    os.unlink(image + ".moved")
    kill_view(daemon)
    is_frozen(t, backup, frozen, "after the image was removed")
    t.check(holds(daemon.pid, inode), "the daemon does not hold the image")
    daemon.commit()
    t.check(not holds(daemon.pid, inode),
            "the daemon holds the image after the backup")
    daemon.assert_nothing_left()


main(test)
