#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test that is killed with all its processes leaves no frozen file system, no
mount and no loop device behind: what ./check does to one that takes too long."""

import os
import signal
import subprocess
import sys

from pullbacktest import Skip, main, need, wait_until
from pullbacktest.loopfs import LoopFS, private_namespace


def victim(t):
    """The test that is killed: something of it hangs in a write, too."""
    private_namespace()
    fs = LoopFS(t, os.environ["STORE"], size=32 << 20)
    fs.freeze()
    t.start("dd", "if=/dev/zero", f"of={fs.folder}/file", "count=1",
            stderr=subprocess.DEVNULL)
    print("frozen", flush=True)
    signal.pause()


def loops(folder):
    """Loop devices on files below FOLDER."""
    found = []
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file") as stream:
                if stream.read().startswith(folder):
                    found.append(name)
        except OSError:
            pass    # no loop device, or none that is in use
    return found


def processes(folder):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as stream:
                words = stream.read().split("\0")
        except OSError:
            continue
        if int(pid) != os.getpid() and any(folder in word for word in words):
            found.append(words)
    return found


def test(t):
    folder = t.folder_below("/var/tmp")
    store = f"{folder}/store"
    process = t.start(sys.executable, __file__, "victim",
                      env=dict(os.environ, STORE=store, TMPDIR=folder),
                      stdout=subprocess.PIPE, start_new_session=True,
                      text=True)
    said = process.stdout.readline()
    if said.startswith("SKIP: "):
        raise Skip(said[6:].strip())
    need(said == "frozen\n", f"the victim said {said!r}")
    assert loops(folder), "the loop device is not found"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not processes(folder), 15, "processes do not end")
    wait_until(lambda: not loops(folder), 15, "the loop device is kept")
    assert not os.listdir(store), "still mounted"


main(victim if sys.argv[1:] == ["victim"] else test)
