#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file that a restore makes, or restores to, no other restore does: the second is refused at
its begin, and told which has it."""

import os

from pullbacktest import Daemon, MIB, main
from pullbacktest.restore import beside, restore_begin, restores, write_random


def test(t):
    daemon = Daemon(t)
    new, old = t.path("new.raw"), write_random(t, t.path("old.raw"), MIB)
    os.symlink(t.path("."), t.path("link"))
    make = "--create", "raw", "--size", "1M"
    restore_begin(daemon, "a", "--image", new, *make)
    for path in new, t.path("link/new.raw"):
        daemon.refuses("restore-begin", "b", "--image", path, *make,
                       saying=(path, "being restored by the restore a"))
    restore_begin(daemon, "c", "--image", old, "--format", "raw")
    daemon.refuses("restore-begin", "d", "--image", old, "--format", "raw",
                   saying=(old, "being restored by the restore c"))
    t.check(restores(daemon) == {"a": "ready", "c": "ready"},
            f"{restores(daemon)}")
    daemon.cli("restore-abort", "c")
    daemon.cli("restore-commit", "a")
    t.check(beside(new) == ["new.raw"], f"left: {beside(new)}")
    restore_begin(daemon, "b", "--image", t.path("other.raw"), *make)
    daemon.cli("restore-abort", "b")
    daemon.terminate()


main(test)
