# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system in a file of the test's own, which can be frozen so that every
write to it hangs.  Seen only by the test: call in_private_namespace first."""

import ctypes
import os
import shutil
import subprocess

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x44000
# However the test ends, the file system is thawed after this.
THAW_SECONDS = 120


def in_private_namespace():
    """None, or why that cannot be had."""
    if os.geteuid() != 0:
        return "needs root to mount a file system"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) != 0:
        return "no mount namespace: " + os.strerror(ctypes.get_errno())
    return None


class LoopFS:
    def __init__(self, folder, kind="ext4", size=320 << 20, room=None):
        """Mounted at FOLDER.  With ROOM it promises SIZE bytes on storage that
        has room for ROOM: what is more is lost when it is written back.  Raises
        OSError where that cannot be had."""
        self.folder = folder
        self.image = folder + ".image"
        self.storage = None
        self.guard = None
        os.makedirs(folder)
        if room:
            self.storage = folder + ".storage"
            os.mkdir(self.storage)
            self._run("mount", "-t", "tmpfs", "-o", f"size={room}", "none",
                      self.storage)
            self.image = os.path.join(self.storage, "image")
        if not shutil.which("mkfs." + kind) or not shutil.which("fsfreeze"):
            raise OSError(f"mkfs.{kind} and fsfreeze are needed")
        with open(self.image, "wb") as stream:
            stream.truncate(size)
        # Where a journal cannot be written, ext4 becomes read-only.
        self._run(f"mkfs.{kind}", "-q", self.image, *(
            ["-O", "^has_journal"] if room and kind == "ext4" else []))
        self._run("mount", "-o", "loop", self.image, folder)

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"{command[0]}: {done.stderr.strip()}")

    def freeze(self):
        # The guard thaws should this process die; its input ends then.
        self.guard = subprocess.Popen(
            ["timeout", str(THAW_SECONDS), "sh", "-c", "read x"],
            stdin=subprocess.PIPE)
        self.thawer = subprocess.Popen(
            ["sh", "-c", "tail --pid=$1 -f /dev/null; fsfreeze -u $2", "sh",
             str(self.guard.pid), self.folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._run("fsfreeze", "-f", self.folder)

    def thaw(self):
        if self.guard is None:
            return
        subprocess.run(["fsfreeze", "-u", self.folder],
                       stderr=subprocess.DEVNULL)
        self.guard.stdin.close()
        self.guard.wait()
        self.thawer.wait()
        self.guard = None

    def close(self):
        self.thaw()
        if os.path.ismount(self.folder):
            self._run("umount", self.folder)
        if self.storage and os.path.ismount(self.storage):
            self._run("umount", self.storage)

    def forget_pages(self, path):
        """Writes back all of it, then drops what the page cache has of PATH.
        What fails is not told to anybody who has PATH open."""
        fd = os.open(path, os.O_RDONLY)
        ctypes.CDLL(None).syncfs(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
