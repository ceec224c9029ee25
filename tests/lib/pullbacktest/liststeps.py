# SPDX-License-Identifier: LGPL-2.1-or-later
"""What only builds with --enable-stop-after have: the list of the steps of the
daemon's jobs, and haste."""

from .clients import run
from .outcome import Skip


def listed_steps():
    """[(job, step)]"""
    done = run("pullback-backupd", "--list-steps", check=False)
    if done.returncode != 0:
        raise Skip("this build lacks --enable-stop-after")
    return [tuple(line.split()) for line in done.stdout.splitlines()]


def in_haste(by):
    """The environment of a daemon that waits a BY-th of the time for a QEMU that does not
    answer."""
    listed_steps()
    return {"PULLBACK_HURRY": str(by)}
