#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The storage of an ext4 cannot be read for a while, so that ext4 finds no blocks for
old data: it would drop it on write-back without noting it anywhere.  No view ever
shows anything but the old data or EIO, also when the storage is well again."""

import os
import subprocess

import nbd

from pullbacktest import Skip, main, run, wait_until
from pullbacktest.fleece import GRANULE, read_map, write_store
from pullbacktest.loopfs import forget_pages, private_namespace
from pullbacktest.nbdserver import NbdServer, nbdkit

G = GRANULE
COUNT = 200
SIZE = COUNT * GRANULE
ROOM = 128 << 20


class UnreadableExt4:
    """Ext4 on a loop device over nbdkit, which fails reads on demand."""

    def __init__(self, t, folder):
        self.folder = os.path.join(folder, "store")
        self.error = os.path.join(folder, "error")
        self.file = os.path.join(folder, "fuse")
        socket = os.path.join(folder, "disk.sock")
        self.fuse = self.loop = None
        os.mkdir(self.folder)
        open(self.file, "w").close()
        NbdServer(t, ["nbdkit", "-f", "-U", socket, "--filter=error", "memory",
                      str(ROOM), "error=EIO", "error-pread-rate=100%",
                      "error-file=" + self.error], socket)
        self.fuse = t.start("nbdfuse", self.file, "--unix", socket,
                            stderr=subprocess.DEVNULL)
        t.defer(self.close)
        wait_until(lambda: os.stat(self.file).st_size == ROOM, 15,
                   "nbdfuse shows no disk")
        # Small groups of blocks, each with a bitmap that has been written.
        run("mkfs.ext4", "-q", "-b", "4096", "-g", "1024", self.file)
        self.loop = run("losetup", "--direct-io=on", "--show", "-f",
                        self.file).stdout.strip()
        self.mount()
        filler = os.path.join(self.folder, "filler")
        st = os.statvfs(self.folder)
        run("fallocate", "-l", str(st.f_bavail * st.f_frsize * 9 // 10), filler)
        run("sync", "-f", self.folder)
        os.unlink(filler)

    def mount(self):
        run("mount", "-o", "no_prefetch_block_bitmaps", self.loop, self.folder)

    def mount_again(self):
        """Nothing of it is in memory then."""
        run("umount", self.folder)
        self.mount()

    def fail_reads(self, fail):
        if fail:
            open(self.error, "w").close()
        elif os.path.exists(self.error):
            os.unlink(self.error)

    def close(self):
        self.fail_reads(False)
        if os.path.ismount(self.folder):
            run("umount", self.folder)
        if self.loop:
            run("losetup", "-d", self.loop)
            self.loop = None
        if self.fuse:
            run("umount", self.file)
            self.fuse.wait()
            self.fuse = None


def test(t):
    private_namespace()
    if not os.path.exists("/dev/fuse"):
        raise Skip("no /dev/fuse")
    old = t.random.randbytes(SIZE)
    folder, maps = t.folder_below("/var/tmp"), t.folder_below("/dev/shm")
    image = os.path.join(folder, "image")
    with open(image, "wb") as stream:
        stream.write(old)
    fs = UnreadableExt4(t, folder)
    write_store(fs.folder, "vda", SIZE, maps=maps)
    fs.mount_again()
    both = ["fleece=" + fs.folder, "maps=" + maps, "disk=vda"]
    sink = nbdkit(t, os.path.join(folder, "sink"), "role=sink", *both)
    view = nbdkit(t, os.path.join(folder, "view"), "role=view", *both,
                  "direct=" + image)
    writer, reader = sink.connect("vda"), view.connect("vda")
    fs.fail_reads(True)
    for g in range(COUNT):
        writer.pwrite(old[g * G:(g + 1) * G], g * G)
    with open(image, "r+b") as stream:      # the guest writes
        stream.write(b"n" * SIZE)
    forget_pages(os.path.join(fs.folder, "vda.data"))
    fs.fail_reads(False)
    refused = 0
    for g in range(COUNT):
        try:
            assert reader.pread(G, g * G) == old[g * G:(g + 1) * G], \
                f"{g} is wrong"
        except nbd.Error as error:
            assert error.errnum == 5, error
            refused += 1
    assert refused == COUNT, f"only {refused} were refused: nothing failed"
    assert read_map(os.path.join(maps, "vda.present"))[1] == 1
    for server in (sink, view):
        server.end()
    fs.close()


main(test)
