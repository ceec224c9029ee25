#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""What was written is lost by the storage while no daemon runs, and somebody else was told of it:
the next daemon has the description that was opened before, and does not commit."""

import os
import subprocess

from pullbacktest import Daemon, Failed, MIB, main
from pullbacktest.clients import open_nbd
from pullbacktest.faultystore import FaultyStore
from pullbacktest.loopfs import private_namespace
from pullbacktest.restore import MARK, restore_begin, restores, write_random

SIZE = 4 * MIB


def lose(store, path):
    """Told to a descriptor that is opened for it: a newer one hears nothing of it."""
    store.fail()
    subprocess.run(["sync", "-f", store.folder], stderr=subprocess.DEVNULL)
    for opened in "one", "another":
        file = os.open(path, os.O_RDWR)
        try:
            os.fsync(file)
        except OSError:
            if opened == "another":
                raise
        else:
            if opened == "one":
                raise Failed("nothing was lost")
        finally:
            os.close(file)
        store.heal()


def test(t):
    private_namespace()
    store = FaultyStore(t, t.path("store"))
    daemon = Daemon(t)
    path = write_random(t, os.path.join(store.folder, "disk.raw"), SIZE)
    subprocess.run(["sync", "-f", store.folder], check=True)
    info = restore_begin(daemon, "--image", path, "--format", "raw")
    handle = open_nbd(info["uri"]["vda"])
    handle.pwrite(b"x" * MIB, 0)
    daemon.kill9()
    lose(store, path)
    daemon.start()
    t.check(restores(daemon) == {"disk": "ready"}, f"{restores(daemon)}")
    handle.shutdown()
    daemon.refuses("restore-commit", "disk", saying=(path, "stable storage"))
    # Told once: a later daemon must not try again.
    daemon.kill9()
    daemon.start()
    t.check(restores(daemon) == {"disk": "half"}, f"{restores(daemon)}")
    t.check(os.path.exists(path + MARK), "no mark")
    daemon.cli("restore-abort", "disk", "--forget")
    daemon.terminate()


main(test)
