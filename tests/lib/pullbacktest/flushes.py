# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's flushes of its image files fail or hang as a test says."""

import os

from .clients import run
from .outcome import Failed, wait_until

SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int
fdatasync (int fd)
{
  for (;;) {
    char what = 0;
    int control = open (getenv ("FLUSH_CONTROL"), O_RDONLY | O_CLOEXEC);

    if (control >= 0 && read (control, &what, 1) < 0)
      what = 0;
    if (control >= 0)
      close (control);
    if (what == 'f') {
      errno = EIO;
      return -1;
    }
    if (what != 'h')
      return syscall (SYS_fdatasync, fd);
    usleep (10000);
  }
}
"""


class Flushes:
    """Those of what is started within "with".  A QEMU that wrote through the page
    cache and saw one fail has all later ones of that file fail."""

    def __init__(self, t):
        self.control = t.path("flushes")
        self.library = t.path("flushes.so")
        with open(self.library + ".c", "w") as stream:
            stream.write(SOURCE)
        run("cc", "-shared", "-fPIC", "-o", self.library,
            self.library + ".c")

    def __enter__(self):
        os.environ.update(LD_PRELOAD=self.library, FLUSH_CONTROL=self.control)

    def __exit__(self, *_):
        del os.environ["LD_PRELOAD"], os.environ["FLUSH_CONTROL"]

    def _tell(self, word):
        with open(self.control + ".new", "w") as stream:
            stream.write(word)
        os.rename(self.control + ".new", self.control)

    def fail(self):
        self._tell("f")

    def hang(self):
        """Until heal."""
        self._tell("h")

    def heal(self):
        self._tell("-")

    def failing_write(self, vm, disk, at):
        """The guest's: the first one to a part of a qcow2 disk needs a table, and
        QEMU flushes that."""
        self.fail()
        try:
            vm.guest(f"write {disk} {at} 4096 21")
        except Failed:
            return
        finally:
            self.heal()
        raise Failed(f"the write to {disk} at {at} did not fail")


def broken_by_write(t, daemon, disk, deadline=20):
    """A failed write of the guest to DISK breaks the backup, which is then aborted;
    nothing is left."""
    wait_until(lambda: daemon.info()["state"] == "broken", deadline,
               "not broken")
    t.check(f"a write of the guest to disk {disk}" in daemon.info()["reason"],
            f"{daemon.info()['reason']}")
    daemon.refuses("backup-commit", "vm1", saying=[disk])
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()
