#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--help of every program and command fits into the terminal, and says the
same at every width."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

from daemontest import check, cli


def shown(width, *command):
    """What COMMAND prints on a terminal of WIDTH columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=its,
                               stderr=its)
    os.close(its)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:     # EIO: nobody has the other side any more
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    check(process.wait() == 0, f"{command} fails")
    return text.decode().replace("\r\n", "\n")


def longest(text):
    return max(text.splitlines(), key=len)


verbs = cli("--list-verbs").stdout.split()
for command in [["pullback", "--help"]] + [
        ["pullback", verb, "--help"] for verb in verbs]:
    texts = {width: shown(width, *command) for width in (72, 80, 132)}
    for width, text in texts.items():
        line = longest(text)
        check(len(line) < width, f"{' '.join(command)}: a line of "
              f"{len(line)} columns, the terminal has {width}: {line}")
        check(text.split() == texts[80].split(),
              f"{' '.join(command)}: other words at {width} columns")
wide = longest(shown(200, "pullback", "backup-begin", "--help"))
check(len(wide) > 132, f"200 columns, of which {len(wide)} are used")
for program in ("pullback-backupd", "pullback-gateway", "pullback-quiesce"):
    line = longest(shown(80, program, "--help"))
    check(len(line) <= 80, f"{program}: a line of {len(line)} columns: {line}")
