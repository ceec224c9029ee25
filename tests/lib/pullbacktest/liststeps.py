# SPDX-License-Identifier: LGPL-2.1-or-later
"""The steps of the daemon's jobs, as it lists them itself."""

from .clients import run
from .outcome import Skip


def listed_steps():
    """[(job, step)]"""
    done = run("pullback-backupd", "--list-steps", check=False)
    if done.returncode != 0:
        raise Skip("this build lacks --enable-stop-after")
    return [tuple(line.split()) for line in done.stdout.splitlines()]
