# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system in a file of the test's own, which can be frozen so that every
write to it hangs.  Seen only by the test: call private_namespace first."""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

from .outcome import Skip, wait_until

CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x44000
# However long the test goes on, the file system is thawed after this.
THAW_SECONDS = 120
FILLER = ".filler"
FROZEN, THAWED = b"f", b"t"


def private_namespace():
    """What is mounted from now on is seen by this process and those that it
    starts."""
    if os.geteuid() != 0:
        raise Skip("needs root to mount a file system")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or \
            libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) != 0:
        raise Skip("no mount namespace: " + os.strerror(ctypes.get_errno()))


def forget_pages(path):
    """Writes back all of PATH's file system, then drops what the page cache has
    of PATH.  What fails is not told to anybody who has PATH open."""
    fd = os.open(path, os.O_RDONLY)
    ctypes.CDLL(None).syncfs(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


class LoopFS:
    def __init__(self, t, folder, kind="ext4", size=320 << 20, room=None):
        """Mounted at FOLDER until the test ends.  With ROOM it promises SIZE
        bytes on storage that has room for ROOM: what is more is lost when it
        is written back."""
        self.folder = folder
        self.image = folder + ".image"
        self.storage = folder + ".storage"
        os.makedirs(folder)
        os.mkdir(self.storage)
        # In a session of its own: what kills the test's processes all together
        # leaves it, and keeps the mount namespace for it.
        self.guard = subprocess.Popen(
            [sys.executable, "-m", __name__, folder, self.storage],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        t.defer(self.close)
        try:
            self._make(kind, size, room)
        except OSError as error:
            raise Skip(f"no {kind} in a file: {error}")

    def _make(self, kind, size, room):
        if room:
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
        self._run("mount", "-o", "loop", self.image, self.folder)
        if room:
            self._fail_page_by_page()

    def _fail_page_by_page(self):
        """A loop device tells success of a request that found room for its
        first part only: requests are made as small as can be."""
        done = subprocess.run(["findmnt", "-n", "-o", "SOURCE", self.folder],
                              capture_output=True, text=True, check=True)
        device = os.path.basename(done.stdout.strip())
        with open(f"/sys/block/{device}/queue/max_sectors_kb", "w") as stream:
            stream.write("4")

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise OSError(f"{command[0]}: {done.stderr.strip()}")

    def _tell(self, word):
        os.write(self.guard.stdin.fileno(), word)

    def freeze(self):
        self._tell(FROZEN)
        self._run("fsfreeze", "-f", self.folder)

    def thaw(self):
        if self.guard is None:
            return
        subprocess.run(["fsfreeze", "-u", self.folder],
                       stderr=subprocess.DEVNULL)
        self._tell(THAWED)

    def close(self):
        if self.guard is None:
            return
        self.thaw()
        try:
            for folder in (self.folder, self.storage):
                if os.path.ismount(folder):
                    # io_uring lets go of files soon after its process ended.
                    wait_until(lambda: self._unmounted(folder), 10,
                               f"{folder} stays busy")
        finally:
            # The guard lets go of what is left, and ends.
            self.guard.stdin.close()
            self.guard.wait()
            self.guard = None

    def _unmounted(self, folder):
        try:
            self._run("umount", folder)
        except OSError as error:
            if "busy" not in str(error):
                raise
            return False
        return True

    def fill(self, leave):
        """Takes all room of the storage but LEAVE bytes."""
        self._run("sync", "-f", self.folder)
        filler = os.path.join(self.folder, FILLER)
        with open(filler, "wb", buffering=0) as f:
            while True:
                st = os.statvfs(self.storage)
                more = st.f_bavail * st.f_frsize - leave
                if more <= 0:
                    return
                f.write(os.urandom(min(max(more, 4096), 256 << 10)))
                try:
                    os.fsync(f.fileno())
                except OSError:
                    return


def guard(folder, storage):
    """Follows a test, that tells on standard input what it does to FOLDER,
    until it ends or is killed, and lets go of what it has left."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    said = THAWED
    while said:
        limit = THAW_SECONDS if said == FROZEN else None
        if select.select([0], [], [], limit)[0]:
            said = os.read(0, 1)
        else:
            subprocess.run(["fsfreeze", "-u", folder])
            said = THAWED
    subprocess.run(["fsfreeze", "-u", folder])
    for mounted in (folder, storage):
        if os.path.ismount(mounted):
            subprocess.run(["umount", "-l", mounted])


if __name__ == "__main__":
    guard(*sys.argv[1:])
