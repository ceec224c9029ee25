# SPDX-License-Identifier: LGPL-2.1-or-later
"""One running test: its folders, what it must undo, what it left behind."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from .outcome import Failed, Skip, wait_until
from .processes import command_line, descendants, end, kill

PR_SET_CHILD_SUBREAPER = 36


class Context:
    """What a test function is given.  Undoes in the reverse order."""

    def __init__(self, name):
        self.name = name
        self.undos = []
        self.problems = []
        self.folders = []
        self.folder = self.folder_below(os.environ.get("TMPDIR", "/tmp"))
        self._random = None

    def folder_below(self, place):
        """One more folder of the test's own, such as below /dev/shm; it goes
        when all is over."""
        # Sockets' paths may have only 107 bytes: keep it short.
        folder = tempfile.mkdtemp(prefix="pb.", dir=place)
        os.chmod(folder, 0o755)
        self.folders.append(folder)
        return folder

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def defer(self, function, *args, **kwargs):
        """FUNCTION is called at the end, before what was deferred earlier."""
        self.undos.append((function, args, kwargs))

    def start(self, *words, **more):
        """Popen (WORDS, **MORE), ended when the test ends; no standard input
        unless asked for."""
        more.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([str(word) for word in words], **more)
        self.defer(self._end, process)
        return process

    def _end(self, process):
        if not end(process):
            self.problem(f"did not end at SIGTERM: {process.args}")

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
            self.problem(text)
        return bool(truth)

    def undo_all(self):
        while self.undos:
            function, args, kwargs = self.undos.pop()
            try:
                function(*args, **kwargs)
            except Exception:
                self.problem("cleanup failed")
                traceback.print_exc()

    def problem(self, text):
        self.problems.append(text)
        self.say(f"FAIL: {text}")

    def end_leftovers(self):
        """No process of the test may outlive it, nothing may stay mounted in
        its folders."""
        me, quiet = os.getpid(), 0

        def none_left():
            # One look can miss a child that is just being forked.
            nonlocal quiet
            quiet = 0 if descendants(me) else quiet + 1
            return quiet == 4

        try:
            # What was just told to end may need a moment.
            wait_until(none_left, 10)
        except Failed:
            for pid in descendants(me):
                self.problem(
                    f"left a process behind: {pid} {command_line(pid)}")
                try:
                    kill(pid)
                except ProcessLookupError:
                    pass
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            pass
        for place in mounted_below(self.folders):
            self.problem(f"left a mount behind: {place}")
            subprocess.run(["umount", "-l", place], check=False)

    def remove_folders(self):
        if not os.environ.get("PULLBACK_KEEP"):
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)


def mounted_below(folders):
    """Innermost first."""
    with open("/proc/self/mountinfo") as stream:
        places = [line.split()[4] for line in stream]
    return [place for place in reversed(places)
            if any(place.startswith(folder + "/") for folder in folders)]


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
    if status == 1 or context.problems:
        _show_logs(context)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    context.undo_all()
    context.end_leftovers()
    context.remove_folders()
    if status == 1 or context.problems:
        print(f"{name}: failed", flush=True)
        sys.exit(1)
    if status == 0:
        print(f"{name}: passed in {time.monotonic() - begin:.1f} s",
              flush=True)
    sys.exit(status)


def _show_logs(context):
    """The ends of the logs, before their folder goes away."""
    found = (walked for folder in context.folders
             for walked in os.walk(folder))
    for folder, _, names in found:
        for name in sorted(names):
            if not name.endswith((".log", ".console")):
                continue
            with open(os.path.join(folder, name), errors="replace") as stream:
                lines = stream.read().splitlines()[-40:]
            if lines:
                print(f"---- {name}", *lines, sep="\n", flush=True)
