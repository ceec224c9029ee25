# SPDX-License-Identifier: LGPL-2.1-or-later
"""How a test tells what came out, and waits for it."""

import shutil
import time

# What a test waits for may take that many times longer on a machine that is slow, or
# busy, than where the test was written.
PATIENCE = 3


class Failed(Exception):
    """The tested program did wrong."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


def need(truth, text):
    """Ends the test unless it is so.  See Context.check, which goes on."""
    if not truth:
        raise Failed(text)


def need_programs(*names):
    for name in names:
        if shutil.which(name) is None:
            raise Skip(f"{name} is not installed")


def wait_until(what, deadline=20.0, message="it did not happen"):
    """Returns WHAT()'s first true value; Failed after DEADLINE seconds, PATIENCE times:
    it is no measure of how soon.  The message may be a function, asked then."""
    deadline *= PATIENCE
    end = time.monotonic() + deadline
    pause = 0.002
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            text = message() if callable(message) else message
            raise Failed(f"{text} (waited {deadline:g} s)")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
