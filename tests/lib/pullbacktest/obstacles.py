# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test puts in the daemon's way: a store that fills up, a full pipe."""

import os

from .clients import run
from .outcome import Skip


def full_pipe(t):
    """The end to write to; nobody reads the other."""
    read, write = os.pipe()
    t.defer(os.close, write)
    t.defer(os.close, read)     # first: what waits for it goes on
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write, True)
    return write


def small_store(t):
    """A folder for a daemon's stores with room for 6 MiB."""
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small tmpfs")
    folder = t.path("f")
    os.mkdir(folder)
    done = run("mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "tmpfs",
               folder, check=False)
    if done.returncode != 0:
        raise Skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    t.defer(run, "umount", "-l", folder)
    return folder
