#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two daemons have a restore of one name, of one file: what one does for its own, also as it dies
or starts again, is nothing to the other's, whose errands and temporary file stay."""

import subprocess

from pullbacktest import Daemon, MIB, main, run, same, wait_until
from pullbacktest.faultystore import FaultyStore
from pullbacktest.loopfs import private_namespace
from pullbacktest.processes import kill
from pullbacktest.restore import errand, restore_begin, write_random

SIZE = 4 * MIB
MAKE = "--create", "raw", "--size", str(SIZE)


def died_amid_begin(t, first, other, source):
    new = t.path("new.raw")
    info = restore_begin(first, "--image", new, *MAKE)
    run("nbdcopy", source, info["uri"]["vda"])
    other.terminate()
    other.env["PULLBACK_STOP_AFTER"] = "restore-journal"
    other.start()
    other.cli("restore-begin", "--image", new, *MAKE, check=False)
    other.process.wait(20)
    del other.env["PULLBACK_STOP_AFTER"]
    other.start()
    wait_until(lambda: "stays" in other.log_text(), 20, "nothing is said")
    first.cli("restore-commit", "new")
    same(new, source, "what was restored")


def begun_amid_commit(t, first, other, source):
    disk = FaultyStore(t, t.path("disk"))
    image = write_random(t, t.path("disk/one.raw"), SIZE)
    run("sync", "-f", image)
    info = restore_begin(first, "--image", image, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    t.defer(disk.heal)
    disk.hang()
    commit = subprocess.Popen(["pullback", "--socket", first.socket,
                               "restore-commit", "one"],
                              stdout=subprocess.DEVNULL)
    t.defer(lambda: commit.poll() is not None or kill(commit.pid))
    wait_until(lambda: errand("sync"), 20, "nobody waits for the storage")
    other.refuses("restore-begin", "--image", image, "--format", "raw",
                  saying=("in use",))
    disk.heal()
    t.check(commit.wait(60) == 0, "it was not committed")
    same(image, source, "what was restored")


def test(t):
    private_namespace()
    first, other = Daemon(t), Daemon(t, name="other")
    source = write_random(t, t.path("source"), SIZE)
    died_amid_begin(t, first, other, source)
    begun_amid_commit(t, first, other, source)
    first.terminate()
    other.terminate()


main(test)
