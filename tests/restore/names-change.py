#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An image that was exchanged, removed, renamed or truncated while it was restored is not
committed: the sentence says where the data is, and the image stays half restored."""

import os

from pullbacktest import Daemon, MIB, main, run, same
from pullbacktest.restore import (MARK, beside, restore_begin, restores,
                                  write_random)

SIZE = 4 * MIB


def test(t):
    daemon = Daemon(t)
    source = write_random(t, t.path("source"), SIZE)
    folder = t.path("folder")
    path = os.path.join(folder, "disk.raw")
    moved = t.path("moved")

    def exchange():
        os.rename(path, moved)
        write_random(t, path, SIZE)

    def rename_folder():
        os.rename(folder, moved)
        os.mkdir(folder)

    def attempt(change, *saying):
        os.mkdir(folder)
        write_random(t, path, SIZE)
        info = restore_begin(daemon, "w", "--image", path, "--format", "raw")
        run("nbdcopy", source, info["uri"]["vda"])
        change()
        daemon.refuses("restore-commit", "w", saying=(path,) + saying)
        daemon.refuses("restore-commit", "w", saying=("w", "abort"))
        t.check(daemon.cli("restore-abort", "w")["state"] == "half",
                "not half restored")
        place = moved if os.path.isdir(moved) else folder
        t.check(os.path.exists(os.path.join(place, "disk.raw" + MARK)),
                f"no mark: {os.listdir(place)}")
        daemon.cli("restore-abort", "w", "--forget")
        t.check(restores(daemon) == {}, f"{restores(daemon)}")
        run("rm", "-r", folder)

    attempt(exchange, "exchanged", moved)
    same(moved, source, "what was moved away")
    os.unlink(moved)
    attempt(lambda: os.unlink(path), "not there", "no file")
    attempt(lambda: os.truncate(path, MIB), "truncated", str(MIB))
    attempt(rename_folder, "not there", os.path.join(moved, "disk.raw"))

    # Another way to the same file does no harm.
    run("rm", "-r", moved)
    os.mkdir(folder)
    write_random(t, path, SIZE)
    info = restore_begin(daemon, "w", "--image", path, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    os.rename(folder, moved)
    os.symlink(moved, folder)
    daemon.cli("restore-commit", "w")
    same(path, source, "what was restored")
    t.check(beside(path) == ["disk.raw"], f"left: {beside(path)}")
    daemon.terminate()


main(test)
