#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test that is killed with all its processes leaves no frozen file system, no
mount and no loop device behind: what ./check does to one that takes too long."""

import os
import signal
import subprocess
import sys

import plugintest as t
from pullbacktest.loopfs import LoopFS, in_private_namespace


def victim(folder):
    """The test that is killed: something of it hangs in a write, too."""
    why = in_private_namespace()
    if why:
        sys.exit(why)
    fs = LoopFS(folder, size=32 << 20)
    fs.freeze()
    subprocess.Popen(["dd", "if=/dev/zero", f"of={folder}/file", "count=1"],
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


if len(sys.argv) > 1:
    victim(sys.argv[1])
folder = t.scratch("/var/tmp")
process = subprocess.Popen([sys.executable, __file__, f"{folder}/store"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           start_new_session=True, text=True)
if process.stdout.readline() != "frozen\n":
    t.skip(process.stderr.read().strip().splitlines()[-1])
assert loops(folder), "the loop device is not found"
os.killpg(process.pid, signal.SIGKILL)
process.wait()
t.wait_for(lambda: not processes(folder), "processes to end")
t.wait_for(lambda: not loops(folder), "the loop device to be let go")
assert not os.listdir(f"{folder}/store"), "still mounted"
