#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An abort that fails half way leaves a restore that is ending: it is not committed, and
the next abort, or the next daemon, goes on.  What nobody wrote to is as it was also then,
what is half restored is half, and a temporary file that cannot be removed is not forgotten."""

import os

from pullbacktest import Daemon, MIB, main, run, same
from pullbacktest.loopfs import private_namespace
from pullbacktest.obstacles import small_store
from pullbacktest.restore import (MARK, beside, restore_begin, restores,
                                  write_random)

SIZE = 4 * MIB


def fill(path):
    with open(path, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass


def state_is_full(t, daemon, writes):
    path = write_random(t, t.path(f"old-{writes}.raw"), SIZE)
    run("cp", path, t.path("before"))
    words = ("web1", "--image", path, "--format", "raw")
    info = restore_begin(daemon, *words)
    if writes:
        run("nbdcopy", t.path("source"), info["uri"]["vda"])
    fill(daemon.state + "/fill")
    daemon.refuses("restore-abort", "web1", saying=("journal",))
    t.check(restores(daemon) == {"web1": "ending"}, f"{restores(daemon)}")
    t.check(os.path.exists(path + MARK), "not ended, and not marked")
    daemon.refuses("restore-commit", "web1", saying=("web1", "abort it again"))
    daemon.refuses("restore-begin", *words, saying=("web1", "abort"))
    os.unlink(daemon.state + "/fill")
    state = daemon.cli("restore-abort", "web1")["state"]
    t.check(state == ("half" if writes else "aborted"),
            f"written: {writes}, but {state}")
    if not writes:
        same(path, t.path("before"), "an abort that was tried again")
        t.check(not os.path.exists(path + MARK), "marked, but nobody wrote")
    info = restore_begin(daemon, *words)
    run("nbdcopy", t.path("source"), info["uri"]["vda"])
    daemon.cli("restore-commit", "web1")
    same(path, t.path("source"), "restored again")
    t.check(beside(path) == [os.path.basename(path)], f"{beside(path)}")


def temporary_stays(t, daemon):
    """A mount point cannot be unlinked."""
    path, temporary = t.path("new.raw"), t.path(".new.raw.pullback-web1")
    restore_begin(daemon, "web1", "--image", path, "--create", "raw", "--size",
                  str(SIZE))
    run("mount", "--bind", temporary, temporary)
    daemon.refuses("restore-abort", "web1", saying=(temporary,))
    daemon.refuses("restore-abort", "web1", "--forget", saying=(temporary,))
    daemon.refuses("restore-commit", "web1", saying=("abort it again",))
    daemon.kill9()
    daemon.start()
    info = daemon.cli("restore-info", "web1")
    t.check(info["state"] == "ending" and temporary in info["reason"],
            f"{info}")
    run("umount", temporary)
    daemon.cli("restore-abort", "web1")
    t.check(not restores(daemon) and not beside(path), f"{beside(path)}")


def test(t):
    private_namespace()
    daemon = Daemon(t)
    daemon.terminate()
    daemon.state = small_store(t, "1m")
    daemon.start()
    write_random(t, t.path("source"), SIZE)
    for writes in False, True:
        state_is_full(t, daemon, writes)
    temporary_stays(t, daemon)
    daemon.terminate()


main(test)
