# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system on a disk that becomes slow, hangs or fails as it is told, and
gets well again.  Seen only by the test: call private_namespace first."""

import json
import os
import signal
import subprocess
import threading

from .loopfs import FILLER
from .outcome import Skip, wait_until
from .processes import alive, end
from .qmp import Qmp

HANG_SECONDS = 60


class FaultyStore:
    """ext4 or xfs (300 MiB at least) on a loop device on what
    qemu-storage-daemon shows through FUSE."""

    def __init__(self, t, folder, size=192 << 20, kind="ext4"):
        if not os.path.exists("/dev/fuse") or os.geteuid() != 0:
            raise Skip("needs root and /dev/fuse")
        self.folder = folder
        self.device = folder + ".device"
        image, monitor = folder + ".image", folder + ".qmp"
        os.makedirs(folder)
        for path in image, self.device:
            with open(path, "wb") as stream:
                stream.truncate(size if path == image else 0)
        bad = {"driver": "blkdebug", "node-name": "bad", "image": "good",
               "inject-error": [{"event": "none", "iotype": "write",
                                 "errno": 5}]}
        t.defer(self.close)
        # Nobody is left to wake it up where the test is killed.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "qemu-storage-daemon",
             "--chardev", f"socket,id=c,path={monitor},server=on,wait=off",
             "--monitor", "chardev=c", "--object", "throttle-group,id=pace",
             "--blockdev", f"driver=file,node-name=good,filename={image}",
             "--blockdev", json.dumps(bad),
             "--blockdev", "driver=throttle,node-name=top,throttle-group=pace,"
             "file=good", "--export", "fuse,id=fuse,node-name=top,"
             f"mountpoint={self.device},writable=on"],
            stdin=subprocess.DEVNULL)
        self.qmp = Qmp(monitor)
        wait_until(lambda: os.stat(self.device).st_size == size, 20,
                   "FUSE does not show the disk")
        # Where a journal cannot be written, ext4 becomes read-only.
        is_ext4 = kind == "ext4"
        self._run(f"mkfs.{kind}", "-q", *(
            ["-O", "^has_journal"] if is_ext4 else []), self.device)
        self._run("mount", "-t", kind, "-o",
                  "loop,errors=continue" if is_ext4 else "loop",
                  self.device, folder)

    def _run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise Skip(f"{command[0]}: {done.stderr.strip()}")

    def free(self):
        st = os.statvfs(self.folder)
        return st.f_bavail * st.f_frsize

    def fill(self, leave):
        """Takes all room but LEAVE bytes."""
        room = max(self.free() - leave, 0)
        self._run("fallocate", "-l", str(room or 1),
                  os.path.join(self.folder, FILLER))

    def slow(self, bytes_per_second):
        """0: as fast as it can."""
        self.qmp("qom-set", path="/objects/pace", property="limits",
                 value={"bps-total": bytes_per_second})

    def fail(self):
        """What is written fails with EIO, at once or when it is written back."""
        self._stand_on("bad")

    def _stand_on(self, node):
        self.qmp("blockdev-reopen", options=[
            {"driver": "throttle", "node-name": "top",
             "throttle-group": "pace", "file": node}])

    def freeze(self):
        """What writes to it hangs, also what the page cache would take."""
        self._run("fsfreeze", "-f", self.folder)
        self.process.send_signal(signal.SIGSTOP)

    def hang(self):
        """The page cache takes what is written, and who waits for the disk hangs: for a
        minute at most, whatever becomes of the test."""
        timer = threading.Timer(HANG_SECONDS, self.process.send_signal,
                                (signal.SIGCONT,))
        timer.daemon = True
        timer.start()
        self.process.send_signal(signal.SIGSTOP)

    def heal(self):
        self.process.send_signal(signal.SIGCONT)
        subprocess.run(["fsfreeze", "-u", self.folder],
                       stderr=subprocess.DEVNULL)
        self.slow(0)
        self._stand_on("good")
        # What was lost meanwhile is told now, and not when it is next frozen.
        subprocess.run(["sync", "-f", self.folder], stderr=subprocess.DEVNULL)
        filler = os.path.join(self.folder, FILLER)
        if os.path.exists(filler):
            os.unlink(filler)

    def close(self):
        if alive(self.process.pid):
            self.heal()
        if os.path.ismount(self.folder):
            wait_until(lambda: subprocess.run(
                ["umount", self.folder], capture_output=True).returncode == 0,
                20, f"{self.folder} stays busy")
        self.qmp.close()
        end(self.process)
        if os.path.ismount(self.device):
            subprocess.run(["umount", "-l", self.device], check=False)
