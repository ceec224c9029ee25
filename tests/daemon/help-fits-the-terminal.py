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
import threading

from pullbacktest import main, need, run


END = b"\0"


def shown(width, *command):
    """What COMMAND prints on a terminal of WIDTH columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=its,
                               stderr=its)

    # Its last words may be lost if nobody has that side any more, so the end
    # is not seen by that.
    def tell_end():
        process.wait()
        os.write(its, END)

    thread = threading.Thread(target=tell_end)
    thread.start()
    text = b""
    while not text.endswith(END):
        text += os.read(ours, 65536)
    thread.join()
    os.close(ours)
    os.close(its)
    need(process.returncode == 0, f"{command} fails")
    return text.removesuffix(END).decode().replace("\r\n", "\n")


def longest(text):
    return max(text.splitlines(), key=len)


def commands_fit(t, command):
    texts = {width: shown(width, *command) for width in (72, 80, 132)}
    name = " ".join(command)
    for width, text in texts.items():
        line = longest(text)
        t.check(len(line) < width, f"{name}: a line of {len(line)} columns, "
                f"the terminal has {width}: {line}")
        t.check(text.split() == texts[80].split(),
                f"{name}: other words at {width} columns")


def test(t):
    commands_fit(t, ["pullback", "--help"])
    for verb in run("pullback", "--complete", "").stdout.split():
        commands_fit(t, ["pullback", verb, "--help"])
    wide = longest(shown(200, "pullback", "backup-begin", "--help"))
    t.check(len(wide) > 132, f"200 columns, of which {len(wide)} are used")
    for program in ("pullback-backupd", "pullback-gateway", "pullback-quiesce",
                    "pullback-differ"):
        line = longest(shown(80, program, "--help"))
        t.check(len(line) <= 80, f"{program}: a line of {len(line)}: {line}")


main(test)
