# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test puts in the daemon's way: a store that fills up, a full pipe."""

import os
import tempfile

from .clients import run
from .outcome import Skip


def fill(descriptor):
    """Until a write to it would wait."""
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(descriptor, True)


def full_pipe(t):
    """The end to write to; nobody reads the other."""
    read, write = os.pipe()
    t.defer(os.close, write)
    t.defer(os.close, read)     # first: what waits for it goes on
    fill(write)
    return write


def small_store(t, size="6m"):
    """A folder for stores, which has room for that much."""
    if os.geteuid() != 0:
        raise Skip("needs root to mount a small tmpfs")
    folder = tempfile.mkdtemp(dir=t.folder)
    done = run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs",
               folder, check=False)
    if done.returncode != 0:
        raise Skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    t.defer(run, "umount", "-l", folder)
    return folder
