#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that starts before the images' folder is mounted forgets nothing: what is left
of a restore, and a commit that had begun, is brought to its end when the folder is there."""

import os

from pullbacktest import Daemon, MIB, main, run, same
from pullbacktest.restore import restore_begin, restores, write_random

SIZE = 4 * MIB


def away(folder):
    os.rename(folder, folder + ".away")
    os.mkdir(folder)


def back(folder):
    os.rmdir(folder)
    os.rename(folder + ".away", folder)


def one(t, step, verb):
    """The daemon dies after STEP of a restore into an old and a new image, each a
    restore of its own; VERB then ends them."""
    folder = t.path(f"srv-{step}")
    os.mkdir(folder)
    old = write_random(t, folder + "/old.raw", SIZE)
    new = folder + "/new.raw"
    for name, words in (
            ("old", ("--image", old, "--format", "raw")),
            ("new", ("--image", new, "--create", "raw", "--size", str(SIZE)))):
        daemon = Daemon(t, name=f"{step}-{name}")
        daemon.terminate()
        daemon.env["PULLBACK_STOP_AFTER"] = step
        daemon.start()
        begun = daemon.cli("restore-begin", name, *words, check=False)
        if begun.returncode == 0:
            run("nbdcopy", t.path("source"), f"nbd+unix:///vda?socket="
                f"{daemon.runtime}/.restore/{name}/nbd.sock")
            daemon.cli("restore-commit", name, check=False)
        daemon.process.wait(timeout=60)
        del daemon.env["PULLBACK_STOP_AFTER"]
        away(folder)
        daemon.start()
        state = "committing" if verb == "restore-commit" else "ending"
        t.check(restores(daemon) == {name: state},
                f"{step}, {name}: {restores(daemon)}")
        daemon.refuses(verb, name, saying=(folder, "mounted?"))
        back(folder)
        daemon.cli(verb, name)
        t.check(not restores(daemon), f"{restores(daemon)}")
        daemon.terminate()
    committed = verb == "restore-commit"
    t.check(sorted(os.listdir(folder)) ==
            (["new.raw"] if committed else []) + ["old.raw"],
            f"{step}: {os.listdir(folder)}")
    if committed:
        same(old, t.path("source"), "the old image")
        same(new, t.path("source"), "the new image")


def test(t):
    write_random(t, t.path("source"), SIZE)
    one(t, "restore-note-commit", "restore-commit")
    one(t, "restore-marks", "restore-abort")


main(test)
