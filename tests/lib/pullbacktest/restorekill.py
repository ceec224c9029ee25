# SPDX-License-Identifier: LGPL-2.1-or-later
"""A process of a restore is killed while the daemon is halted at a step (PULLBACK_PAUSE), and
then it is looked at what the image is, and whether that is what is said of it."""

import os
import signal
import subprocess
import sys
import threading

from . import restorewriter
from .clients import run
from .daemon import Daemon
from .liststeps import listed_steps
from .outcome import Failed, wait_until
from .processes import alive, command_line, descendants, kill
from .restore import MARK, beside, restores, write_random
from .restorewriter import Notes

SIZE = 1 << 20
NAME = "one"
BEGIN, COMMIT, ABORT, ADOPT = ("restore-begin", "restore-commit",
                               "restore-abort", "restore-adopt")
# "client" writes, "command" is pullback RESTORE-VERB.
VICTIMS = ("client", "command", "gateway", "plugin", "storage")
WORDS = {"gateway": "pullback-gateway ", "plugin": "role=restore",
         "storage": "qemu-storage-daemon"}
IMAGES = [(kind, form) for form in ("raw", "qcow2") for kind in ("new", "old")]
WHOLE, HALF, BEFORE = "whole", "half", "as before"
# From here on clients can connect.
OPEN = "restore-gateway"


def places():
    """(verb, step)"""
    return [place for place in listed_steps() if place[0].startswith("restore-")]


class KillBench:
    """One daemon, in which restores are begun one after the other."""

    def __init__(self, t):
        self.t = t
        self.pause = t.path("pause")
        self.notes = t.path("notes")
        self.daemon = Daemon(t, env={"PULLBACK_PAUSE": self.pause})
        self.source = write_random(t, t.path("source"), SIZE)
        self.before = t.path("before")
        self.writers = []
        self.seed = 0
        self.begins = [step for verb, step in places() if verb == BEGIN]

    # --- the parts of a round

    def prepare(self, kind, form):
        self.kind, self.form = kind, form
        self.image = self.t.path(f"disk.{form}")
        for name in beside(self.image):
            os.unlink(self.t.path(name))
        open(self.notes, "w").close()
        if kind == "old":
            run("cp", self.source, self.before)
            run("qemu-img", "convert", "-f", "raw", "-O", form, self.source,
                self.image)
        else:
            with open(self.before, "wb") as stream:
                stream.truncate(SIZE)

    def begin_words(self):
        return [BEGIN, NAME, "--image", self.image,
                *(["--create", self.form, "--size", str(SIZE)]
                  if self.kind == "new" else ["--format", self.form])]

    def write(self, least=4, or_else=lambda: False):
        """A new client, which has written so much, OR_ELSE.  (Of two that write at
        once nobody knows which block is the later one.)"""
        self.end_writers()
        self.seed += 1
        count = Notes(self.notes).count
        writer = subprocess.Popen(
            [sys.executable, restorewriter.__file__, f"nbd+unix:///vda?socket="
             f"{self.daemon.runtime}/.restore/{NAME}/nbd.sock", self.notes,
             str(SIZE), str(self.seed)], stdin=subprocess.DEVNULL)
        self.writers.append(writer)
        self.t.defer(self.end_writers)
        wait_until(lambda: Notes(self.notes).count >= count + least or
                   or_else(), 60, "the client cannot write")

    def end_writers(self):
        while self.writers:
            writer = self.writers.pop()
            writer.kill()
            writer.wait()

    def halt(self, step, job, over):
        """JOB () is begun, and the daemon is at STEP of it."""
        with open(self.pause + ".new", "w") as stream:
            stream.write(step)
        os.rename(self.pause + ".new", self.pause)
        process = job()
        wait_until(lambda: os.path.exists(self.pause + ".paused") or
                   over(process), 60, f"neither at {step} nor done")
        if not os.path.exists(self.pause + ".paused"):
            os.unlink(self.pause)
            raise Failed(f"did not come to {step}")
        return process

    def go_on(self):
        os.unlink(self.pause + ".paused")

    def pids(self, victim):
        return [pid for pid in descendants(os.getpid())
                if WORDS[victim] in command_line(pid)]

    def kill(self, victim, command):
        """False: there is none."""
        if victim == "client":
            pids = [writer.pid for writer in self.writers]
        elif victim == "command":
            pids = [command.pid] if command else []
        else:
            pids = self.pids(victim)
        for pid in pids:
            try:
                kill(pid)
            except ProcessLookupError:
                pass            # it was ending
        wait_until(lambda: not any(map(alive, pids)), 20, "they do not die")
        return pids != []

    # --- the verbs

    def start(self, verb, step, writes):
        """The daemon is halted; the command, None of ADOPT."""
        if verb == BEGIN:
            command = self.halt(step, lambda: self.daemon.beside(*self.begin_words()),
                                lambda process: process.poll() is not None)
            if writes and self.begins.index(step) >= self.begins.index(OPEN):
                self.write()
            return command
        self.daemon.cli(*self.begin_words())
        if writes:
            self.write()
        if verb != ADOPT:
            return self.halt(step, lambda: self.daemon.beside(verb, NAME),
                             lambda process: process.poll() is not None)
        self.daemon.kill9()
        self.starting = threading.Thread(target=self.daemon.start)
        # It listens at any moment.
        self.halt(step, self.starting.start, lambda _: False)
        return None

    def state(self):
        return restores(self.daemon).get(NAME, "")

    def settled(self):
        """What it is when nothing is done with it."""
        def look():
            state = self.state()
            return (state,) if state in ("", "ready", "broken", "ending",
                                         "half") else None
        return wait_until(look, 90, lambda: f"it stays {self.state()}")[0]

    def ends(self, verb=COMMIT, writes=True):
        """By VERB, or what can be done: whether it was committed.  WRITES: a client
        must be able to write before."""
        for _ in range(3):
            state = self.settled()
            if state == "ready":
                if writes:
                    self.write(or_else=lambda: self.state() != "ready")
                done = self.daemon.cli(verb, NAME, check=False)
                if done.returncode == 0:
                    return verb == COMMIT
            elif state in ("broken", "ending"):
                refused = self.daemon.cli(COMMIT, NAME, check=False)
                self.t.check(refused.returncode != 0, f"{state}, committed")
                self.daemon.cli(ABORT, NAME)
            else:
                return False
        raise Failed(f"it does not end: {self.settled()}")

    # --- what has come of it

    def disk(self):
        """The image as a raw file."""
        if self.form == "raw":
            return self.image
        # Where nobody was told of the end the locks go a moment after it is listed.
        wait_until(lambda: run("qemu-img", "check", "-q", "-f", self.form,
                               self.image, check=False).returncode == 0, 10,
                   "the image is locked, or not in order")
        run("qemu-img", "convert", "-f", self.form, "-O", "raw", self.image,
            self.t.path("content"))
        return self.t.path("content")

    def judge(self, what, committed, unknown):
        """WHOLE, HALF or BEFORE, which it must be and say.  UNKNOWN: nobody was told
        whether it was committed."""
        def wrong(text):
            raise Failed(f"{what}: {text}")
        marked = os.path.exists(self.image + MARK)
        state = self.state()
        if marked != (state == "half"):
            wrong(f"marked: {marked}, listed as {state!r}")
        if marked:
            if committed or self.kind == "new":
                wrong("it is half restored")
            self.daemon.cli(ABORT, NAME, "--forget")
            if beside(self.image) != [os.path.basename(self.image)]:
                wrong(f"left: {beside(self.image)}")
            return HALF
        if state:
            wrong(f"it is {state}")
        there = os.path.exists(self.image)
        if beside(self.image) != [os.path.basename(self.image)] * there:
            wrong(f"left: {beside(self.image)}")
        if not there:
            if committed or self.kind == "old":
                wrong("there is no image")
            return BEFORE
        if self.kind == "old" and not committed and \
                Notes("/dev/null").wrong(self.disk(), self.before) is None:
            return BEFORE
        if not committed and not unknown:
            wrong("nothing says that it is written to and not committed")
        lost = Notes(self.notes).wrong(self.disk(), self.before)
        if lost:
            wrong(f"{'committed' if committed else 'not marked'}, and {lost} "
                  "is not what was answered")
        return WHOLE

    def left(self, what):
        def now():
            return [*self.daemon.files_left(), *self.pids("storage"),
                    *(words for _, words in self.daemon.children()),
                    *(name for name in os.listdir(
                        f"{self.daemon.runtime}/.restore") if name != ".owner")]
        wait_until(lambda: not now(), 30, lambda: f"{what}: left {now()}")

    def one(self, verb, step, victim, kind, form, writes=True):
        """WHOLE, HALF or BEFORE; "": there is no such process."""
        what = f"{victim} at {step} of {verb}, {kind} {form}"
        self.prepare(kind, form)
        command = self.start(verb, step, writes)
        if command and self.state() in ("", "ready", "half", "broken"):
            raise Failed(f"{what}: halted, but {self.state()!r}")
        try:
            killed = self.kill(victim, command)
        finally:
            self.go_on()
        done = False
        if command:
            command.wait(timeout=180)
            done = command.returncode == 0 and verb == COMMIT
        else:
            self.starting.join()
        if verb in (BEGIN, ADOPT) or not done:
            done = self.ends() or done
        self.end_writers()
        became = self.judge(what, done, verb == COMMIT and
                            victim == "command")
        self.left(what)
        if command and command.returncode not in (0, 1, -signal.SIGKILL):
            raise Failed(f"{what}: {command.returncode}, "
                         f"{command.stderr.read()}")
        return became if killed else ""
