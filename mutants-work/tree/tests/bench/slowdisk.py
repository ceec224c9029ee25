# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file on a disk that does only so many requests and bytes a second, whoever
sends them: qemu-storage-daemon with a limit, through FUSE.  As with a disk with
one arm, who comes later waits for all who came before."""

import os
import subprocess

from pullbacktest import MIB, Failed, Skip, wait_until


class SlowDisk:
    def __init__(self, t, image, iops, mib):
        """IMAGE, of any content, becomes slow at the path self.path."""
        if not os.path.exists("/dev/fuse"):
            raise Skip("there is no /dev/fuse")
        self.path = image + ".slow"
        with open(self.path, "wb"):
            pass
        t.defer(self.unmount)
        size = os.stat(image).st_size
        self.process = t.start(
            "qemu-storage-daemon", "--object", "iothread,id=io", "--object",
            f"throttle-group,id=limit,x-iops-total={iops},"
            f"x-bps-total={mib * MIB}", "--blockdev",
            "driver=throttle,node-name=disk,throttle-group=limit,"
            f"file.driver=file,file.filename={image},file.cache.direct=on",
            "--export", "fuse,id=fuse,node-name=disk,writable=on,"
            f"mountpoint={self.path},iothread=io,fixed-iothread=on,growable=on")
        wait_until(lambda: self._serves(size), 20, "FUSE does not show the disk")

    def _serves(self, size):
        if self.process.poll() is not None:
            raise Failed("qemu-storage-daemon ended")
        return os.path.ismount(self.path) and os.stat(self.path).st_size == size

    def unmount(self):
        if os.path.ismount(self.path):
            subprocess.run(["umount", "-l", self.path], check=False)
