# SPDX-License-Identifier: LGPL-2.1-or-later
"""One running test: its folder, what it must undo, what it left behind."""

import ctypes
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """The tested program did wrong."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


def wait_until(what, deadline=20.0, message="it did not happen"):
    """Returns WHAT()'s first true value; Failed after DEADLINE seconds."""
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


def process_stat(pid):
    """(state, parent) of a process, or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rsplit(b")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return fields[0].decode(), int(fields[1])


def alive(pid):
    stat = process_stat(pid)
    return stat is not None and stat[0] not in "ZX"


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return stream.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "?"


def descendants(pid):
    """Living processes below PID, at any depth."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = process_stat(int(name))
            if stat and stat[0] not in "ZX":
                parents[int(name)] = stat[1]
    found, grew = {pid}, True
    while grew:
        grew = False
        for child, parent in parents.items():
            if parent in found and child not in found:
                found.add(child)
                grew = True
    return sorted(found - {pid})


class Context:
    """What a test function is given.  Undoes in the reverse order."""

    def __init__(self, name):
        self.name = name
        self.undos = []
        self.problems = []
        # Sockets' paths may have only 107 bytes: keep it short.
        self.folder = tempfile.mkdtemp(prefix="pb.",
                                       dir=os.environ.get("TMPDIR", "/tmp"))
        os.chmod(self.folder, 0o755)
        if not os.environ.get("PULLBACK_KEEP"):
            self.defer(shutil.rmtree, self.folder, ignore_errors=True)
        self._random = None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def defer(self, function, *args, **kwargs):
        self.undos.append((function, args, kwargs))

    def say(self, text):
        print(text, flush=True)

    @property
    def random(self):
        if self._random is None:
            seed = int(os.environ.get("SEED") or random.randrange(1 << 31))
            self.seed = seed
            self.say(f"SEED={seed}")
            self._random = random.Random(seed)
        return self._random

    def check(self, truth, text):
        """Fails the test, but goes on, so that one run tells all."""
        if not truth:
            self.problems.append(text)
            self.say(f"FAIL: {text}")
        return bool(truth)

    def undo_all(self):
        while self.undos:
            function, args, kwargs = self.undos.pop()
            try:
                function(*args, **kwargs)
            except Exception:
                self.problems.append("cleanup failed")
                traceback.print_exc()

    def end_leftovers(self):
        """No process of the test may outlive it."""
        me, quiet = os.getpid(), 0

        def none_left():
            # One look can miss a child that is just being forked.
            nonlocal quiet
            quiet = 0 if descendants(me) else quiet + 1
            return quiet == 4

        try:
            # What was just told to end may need a moment.
            wait_until(none_left, 3)
        except Failed:
            for pid in descendants(me):
                self.problems.append(
                    f"left a process behind: {pid} {command_line(pid)}")
                self.say(f"FAIL: {self.problems[-1]}")
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass


def _interrupted(number, frame):
    raise KeyboardInterrupt(f"signal {number}")


def main(test):
    """Runs TEST(context) and exits: 0 passed, 1 failed, 77 skipped."""
    # Orphans of what the test started become children of the test.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _interrupted)
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    context = Context(name)
    begin = time.monotonic()
    status = 1
    try:
        test(context)
        status = 0
    except Skip as skip:
        print(f"SKIP: {skip}", flush=True)
        status = 77
    except Failed as failed:
        print(f"FAIL: {failed}", flush=True)
        traceback.print_exc()
    except BaseException:
        traceback.print_exc()
    if status == 1:
        _show_logs(context)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    context.undo_all()
    context.end_leftovers()
    if status != 77 and (status or context.problems):
        print(f"{name}: failed", flush=True)
        sys.exit(1)
    if status == 0:
        print(f"{name}: passed in {time.monotonic() - begin:.1f} s",
              flush=True)
    sys.exit(status)


def _show_logs(context):
    """The ends of the logs, before their folder goes away."""
    for folder, _, names in os.walk(context.folder):
        for name in sorted(names):
            if not name.endswith(".log"):
                continue
            with open(os.path.join(folder, name), errors="replace") as stream:
                lines = stream.read().splitlines()[-40:]
            if lines:
                print(f"---- {name}", *lines, sep="\n", flush=True)
