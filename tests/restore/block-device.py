#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A block device is restored in place.  Its mark is in the state folder: it is known
after a daemon that was killed, until it was restored again."""

import subprocess

from pullbacktest import Daemon, MIB, Skip, main, run, same
from pullbacktest.restore import restore_begin, restores, write_random

SIZE = 8 * MIB


def loop_device(t, path):
    done = subprocess.run(["losetup", "-f", "--show", path], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Skip(f"no loop device: {done.stderr.strip()}")
    t.defer(run, "losetup", "-d", done.stdout.strip())
    return done.stdout.strip()


def test(t):
    device = loop_device(t, write_random(t, t.path("disk"), SIZE))
    source = write_random(t, t.path("source"), SIZE)
    daemon = Daemon(t)
    info = restore_begin(daemon, "dev", "--image", device, "--format", "raw")
    t.check(info["disks"][0]["size"] == SIZE, f"{info}")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.kill9()
    daemon.start()
    t.check(restores(daemon) == {"dev": "half"}, f"{restores(daemon)}")
    daemon.refuses("restore-begin", "other", "--image", device, "--format",
                   "raw", saying=(device, "dev", "half"))
    info = restore_begin(daemon, "dev", "--image", device, "--format", "raw")
    run("nbdcopy", source, info["uri"]["vda"])
    daemon.cli("restore-commit", "dev")
    t.check(restores(daemon) == {}, f"{restores(daemon)}")
    run("blockdev", "--flushbufs", device)
    same(source, t.path("disk"), "block device")
    daemon.terminate()


main(test)
