# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daemon asks of the kernel, recorded by strace."""

import glob
import os
import re
import shutil

LINE = re.compile(r"^(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
ANGLES = re.compile(r"^-?\w+<([^>]*)>")


def bytes_of(text):
    return bytes.fromhex(text.replace("\\x", ""))


def path_of(text):
    return bytes_of(text).decode() if text.startswith("\\x") else text


def strings_of(arguments):
    """Those among a call's arguments."""
    return [bytes_of(s) for s in STRING.findall(arguments)]


def file_of(arguments):
    """The path of the descriptor that they begin with; "" if with none."""
    angles = ANGLES.match(arguments)
    return path_of(angles[1]) if angles else ""


def record_with(t, traces, which):
    """A value of PATH, by which pullback-backupd is traced: its calls WHICH, and
    those of what it starts."""
    folder = t.path("traced")
    os.mkdir(folder)
    script = os.path.join(folder, "pullback-backupd")
    with open(script, "w") as stream:
        stream.write("#!/bin/sh\nexec strace -D -f -ff -ttt -y -xx -s 1000000 "
                     f"-o {traces} -e trace={which} "
                     f"{shutil.which('pullback-backupd')} \"$@\"\n")
    os.chmod(script, 0o755)
    return f"{folder}:{os.environ['PATH']}"


def read_calls(traces):
    """(time, call, arguments, its file) of all threads that did not fail, in order."""
    calls = []
    for name in glob.glob(traces + ".*"):
        with open(name, errors="replace") as stream:
            for line in stream:
                match = LINE.match(line)
                if match and int(match[4]) >= 0:
                    calls.append((float(match[1]), match[2], match[3],
                                  path_of(match[5] or "")))
    return sorted(calls)
