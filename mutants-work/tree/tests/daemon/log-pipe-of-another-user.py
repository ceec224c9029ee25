#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody reads the daemon's standard error, a full pipe that another user made,
as where a daemon that is not root runs in a container: it answers all the
same, and ends at SIGTERM."""

import os

from pullbacktest import Skip, main, run, wait_until
from pullbacktest.obstacles import full_pipe

NOBODY = 65534


def test(t):
    if os.geteuid() != 0:
        raise Skip("needs root to be two users")
    words = []
    for option in ("--runtime-dir", "--state-dir", "--scratch-dir"):
        folder = t.path(option[2:])
        os.mkdir(folder)
        os.chown(folder, NOBODY, NOBODY)
        words += [option, folder]
    os.chmod(os.path.dirname(folder), 0o755)
    socket = os.path.join(words[1], "control.sock")     # where it is if not said
    daemon = t.start("pullback-backupd", *words, user=NOBODY, group=NOBODY,
                     extra_groups=[], stderr=full_pipe(t))
    wait_until(lambda: daemon.poll() is not None or run(
        "pullback", "--socket", socket, "domain-list", check=False,
        timeout=30).returncode == 0, 30, "the daemon does not answer")
    t.check(daemon.poll() is None, f"the daemon ended: {daemon.returncode}")
    daemon.terminate()
    daemon.wait(timeout=30)


main(test)
