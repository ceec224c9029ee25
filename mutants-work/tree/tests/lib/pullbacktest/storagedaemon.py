# SPDX-License-Identifier: LGPL-2.1-or-later
"""qemu-storage-daemon with disks that are written to through FUSE, each on an
iothread of its own: no drained section of QEMU but one on the disk stops it."""

import mmap
import os
import struct
import subprocess

from .outcome import Failed, Skip, wait_until
from .processes import end
from .qmp import Qmp

GRANULE = 65536


class StorageDaemon:
    """DISKS: {name: path of a raw image, or None for one without bytes}."""

    def __init__(self, context, disks, size):
        if not os.path.exists("/dev/fuse"):
            raise Skip("there is no /dev/fuse")
        self.qmp_path = context.path("qsd.qmp")
        test_path = context.path("qsd.test")
        self.mounts = {name: context.path(f"{name}.fuse") for name in disks}
        words = ["qemu-storage-daemon"]
        for i, path in enumerate((self.qmp_path, test_path)):
            words += ["--chardev", f"socket,id=c{i},path={path},server=on,"
                      "wait=off", "--monitor", f"chardev=c{i}"]
        for name, path in disks.items():
            words += ["--object", f"iothread,id=io-{name}"]
            if path is None:
                words += ["--blockdev", f"null-co,node-name={name},"
                          f"size={size},read-zeroes=on"]
            else:
                with open(path, "ab") as image:
                    image.truncate(size)
                words += ["--blockdev", f"driver=raw,node-name={name},"
                          f"file.driver=file,file.filename={path}"]
            with open(self.mounts[name], "ab"):
                pass
            words += ["--export", f"fuse,id=fuse-{name},node-name={name},"
                      f"mountpoint={self.mounts[name]},writable=on,"
                      f"iothread=io-{name},fixed-iothread=on"]
        context.defer(self.end)
        with open(context.path("qsd.log"), "a") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.qmp = Qmp(test_path)
        for path in self.mounts.values():
            wait_until(lambda: os.stat(path).st_size == size, 20,
                       "FUSE does not show the disk")

    def bitmaps(self, disk):
        """{name: (granules, recording)}"""
        for node in self.qmp("query-named-block-nodes"):
            if node["node-name"] == disk:
                return {b["name"]: (b["count"] // GRANULE, b["recording"])
                        for b in node.get("dirty-bitmaps", [])}
        raise Failed(f"no node {disk}")

    def end(self):
        self.qmp.close()
        end(self.process)
        for path in self.mounts.values():
            if os.path.ismount(path):
                subprocess.run(["umount", "-l", path], check=False)


class March:
    """A process that writes one granule after the other, from FIRST, each to
    every one of PATHS in turn and each with its number plus one as its first
    eight bytes.  What is counted has been acknowledged."""

    def __init__(self, context, paths, first=0):
        self.first = first
        self.shared = mmap.mmap(-1, mmap.PAGESIZE)
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                self._write(paths)
                status = 0
            finally:
                os._exit(status)
        context.defer(self.stop)

    def _write(self, paths):
        files = [os.open(path, os.O_WRONLY) for path in paths]
        last = os.stat(paths[0]).st_size // GRANULE
        number = self.first
        while number < last and self.shared[8] == 0:
            number += 1
            data = number.to_bytes(8, "little") + bytes(504)
            for file in files:
                os.pwrite(file, data, (number - 1) * GRANULE)
            struct.pack_into("Q", self.shared, 0, number - self.first)

    @property
    def count(self):
        """Granules written so far."""
        return struct.unpack_from("Q", self.shared)[0]

    def advance(self, more):
        """Waits for that many more."""
        want = self.count + more
        wait_until(lambda: self.count >= want, 60, "the writer is stuck")

    def stop(self):
        if self.pid:
            self.shared[8] = 1
            _, status = os.waitpid(self.pid, 0)
            self.pid = 0
            if status:
                raise Failed("the writer got an I/O error")
        return self.count
