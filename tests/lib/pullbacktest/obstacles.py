# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a test puts in the daemon's way, or keeps out of it: a store that fills up,
a full pipe, a port."""

import os
import socket
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


def kept_port(t):
    """A TCP port of 127.0.0.1 that nobody gets by chance while the test runs, and
    whoever sets SO_REUSEADDR may listen on."""
    holder = socket.socket()
    t.defer(holder.close)
    holder.bind(("127.0.0.1", 0))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return holder.getsockname()[1]
