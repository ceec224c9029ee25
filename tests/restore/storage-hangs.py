#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: waits
"""The image's storage hangs when a restore is committed: that is told, others are served, the
daemon ends in time, and the next one starts while it still hangs.  When it goes on, the image can
be restored again."""

import subprocess
import time

from pullbacktest import Daemon, MIB, main, run, same, wait_until
from pullbacktest.faultystore import FaultyStore
from pullbacktest.loopfs import private_namespace
from pullbacktest.processes import kill
from pullbacktest.restore import (beside, errand, restore_begin, restores,
                                  write_random)

SIZE = 4 * MIB
LEAVES = 18                     # seconds; of failure-model.md


def test(t):
    private_namespace()
    disk = FaultyStore(t, t.path("disk"))
    source = write_random(t, t.path("source"), SIZE)
    image = write_random(t, t.path("disk/one.raw"), SIZE)
    other = write_random(t, t.path("other.raw"), SIZE)
    run("sync", "-f", image)
    daemon = Daemon(t)

    def client(*words):
        process = subprocess.Popen(
            ["pullback", "--socket", daemon.socket, *words],
            stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        t.defer(lambda: process.poll() is not None or kill(process.pid))
        return process

    def reason():
        return daemon.cli("restore-info", "one").get("reason") or ""

    info = restore_begin(daemon, "one", "--image", image, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    t.defer(disk.heal)
    disk.hang()
    commit = client("restore-commit", "one")
    wait_until(lambda: errand("sync"), 20, "nobody waits for the storage")
    wait_until(lambda: f"waits for the storage of {image}" in reason(), 20,
               "nothing is told")

    t.say("others are served")
    info = restore_begin(daemon, "two", "--image", other, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "two")
    same(other, source, "the other one")

    began = time.monotonic()
    daemon.leave(deadline=60)
    t.check(time.monotonic() - began < LEAVES, "the daemon takes too long")
    t.check(commit.wait(60) != 0, "it was committed")
    t.check(errand("sync"), "nobody hangs any more")

    daemon.start()
    t.check(restores(daemon) == {"one": "half"}, f"{restores(daemon)}")
    again = client("restore-begin", "one", "--image", image, "--format", "raw")
    wait_until(lambda: "waits for the storage" in reason(), 20,
               "it was begun beside who hangs")
    disk.heal()
    t.check(again.wait(60) == 0, "it cannot be begun again")
    run("nbdcopy", source, daemon.cli("restore-info", "one")["disks"][0]["uri"])
    daemon.cli("restore-commit", "one")
    same(image, source, "what was restored again")
    t.check(beside(image) == ["one.raw"], f"left: {beside(image)}")
    t.check(errand("sync") is None, "somebody hangs")
    daemon.terminate()


main(test)
