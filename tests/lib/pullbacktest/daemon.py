# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-backupd in private folders, and the command line to it."""

import json
import os
import signal
import socket
import stat
import subprocess

from .clients import run
from .context import Failed, alive, command_line, descendants, wait_until

OURS = ("nbdkit", "pullback-gateway")


class Daemon:
    """A test with several gives each a NAME, for folders of its own.  FILES is
    the "SOFT:HARD" limit of open files."""

    def __init__(self, context, scratch=None, env=None, more=(), name="",
                 files=None, stderr=None):
        self.context = context
        self.runtime = context.path(name + "r")
        self.state = context.path(name + "s")
        self.scratch = scratch or context.path(name + "f")
        self.socket = context.path(name + "c")
        self.log_path = context.path(name + "daemon.log")
        self.env = dict(os.environ, **(env or {}))
        self.more = list(more)
        self.files = files
        self.stderr = stderr
        self.process = None
        for folder in (self.runtime, self.state, self.scratch):
            os.makedirs(folder, exist_ok=True)
        context.defer(self.end)
        self.start()

    def start(self):
        limit = ["prlimit", f"--nofile={self.files}"] if self.files else []
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                [*limit, "pullback-backupd", "--runtime-dir", self.runtime,
                 "--state-dir", self.state, "--scratch-dir", self.scratch,
                 "--socket", self.socket, *self.more], stdin=subprocess.DEVNULL,
                stdout=log, stderr=self.stderr or log, env=self.env)
        wait_until(self._answers, 20, "pullback-backupd does not listen")

    def _answers(self):
        if self.process.poll() is not None:
            with open(self.log_path) as log:
                raise Failed(f"pullback-backupd ended: {log.read()[-2000:]}")
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(self.socket)
            return True
        except OSError:
            return False
        finally:
            link.close()

    @property
    def pid(self):
        return self.process.pid

    def cli(self, *words, check=True, timeout=90):
        """pullback --json WORDS: the reply object.  check=False: the
        finished process."""
        command = ["pullback", "--socket", self.socket]
        done = run(*command, "--json", *words, check=check, timeout=timeout)
        if not check:
            return done
        reply = json.loads(done.stdout) if done.stdout.strip() else {}
        if isinstance(reply, dict) and set(reply) <= {"return", "id"} \
                and "return" in reply:
            reply = reply["return"]
        return reply

    def refuses(self, *words, saying=()):
        """The command must fail with one sentence that names these things."""
        done = run("pullback", "--socket", self.socket, *words, check=False)
        return check_refusal(self.context, done, words, saying)

    def add(self, vm, *more, name="vm1"):
        return self.cli("domain-add", name, "--qmp", vm.qmp_path, *more)

    def begin(self, *more, name="vm1"):
        """backup-begin; the reply with disks by name."""
        reply = self.cli("backup-begin", name, *more)
        reply["disk"] = {disk["name"]: disk for disk in reply["disks"]}
        return reply

    def commit(self, name="vm1"):
        return self.cli("backup-commit", name)

    def abort(self, name="vm1"):
        return self.cli("backup-abort", name)

    def info(self, name="vm1"):
        return self.cli("backup-info", name)

    def processes(self, name="vm1"):
        """{"sink": pid, "view": pid, "gateway": pid}; 0: being started again"""
        return self.info(name)["processes"]

    def pid_of(self, role, name="vm1", deadline=30):
        """The pid of the sink, view or gateway, never 0: os.kill (0) would end
        the test itself."""
        return wait_until(lambda: self.processes(name)[role], deadline,
                          f"the {role} of {name} does not run")

    def children(self):
        """Living sinks, views and gateways that this test caused."""
        found = []
        for pid in descendants(os.getpid()):
            words = command_line(pid).split()
            names = {os.path.basename(word) for word in words[:3]}
            if names & set(OURS):
                found.append((pid, " ".join(words)))
        return found

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=10)

    def terminate(self, deadline=30, status=0):
        """SIGTERM; it must end with STATUS."""
        want = status
        self.process.terminate()
        try:
            status = self.process.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            raise Failed(f"pullback-backupd did not end within {deadline} s "
                         "of SIGTERM")
        if status != want:
            raise Failed(f"pullback-backupd ended with status {status}, "
                         f"want {want}")

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.context.problems.append("daemon ignores SIGTERM")
                self.process.kill()
                self.process.wait()

    def files_left(self):
        """What only a running backup may have.  (A scratch folder's mark stays as
        long as the domain.)"""
        found = []
        for top in (self.runtime, self.scratch):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    if path != self.socket and name not in ("control.sock",
                                                            ".owner"):
                        found.append(path)
        for folder, _, names in os.walk(self.state):
            found += [os.path.join(folder, name) for name in names
                      if name in ("job.json", "quiesce.json") or name.endswith((".tmp", ".new"))]
        return found

    def assert_nothing_left(self, deadline=0.0):
        """No process, socket or file of an ended backup."""
        def nothing():
            return not self.children() and not self.files_left()

        def text():
            return (f"left behind: processes {self.children()}, "
                    f"files {self.files_left()}")

        if deadline:
            wait_until(nothing, deadline, text)
        elif not nothing():
            raise Failed(text())

    def alive(self):
        return alive(self.pid)


def check_refusal(context, done, words, saying):
    """Exit status, one sentence, and what it names.  Returns the sentence."""
    what = " ".join(word if len(word) < 60 else word[:57] + "..."
                    for word in map(str, words))
    lines = done.stderr.strip().splitlines()
    context.check(done.returncode not in (0, 77) and done.returncode < 125,
                  f"{what}: exit status {done.returncode}")
    context.check(len(lines) == 1, f"{what}: {len(lines)} lines on stderr, "
                  f"want one: {done.stderr.strip()[:400]!r}")
    context.check(not done.stdout.strip(),
                  f"{what}: refused, but printed {done.stdout[:200]!r}")
    sentence = lines[0] if lines else ""
    context.say(f"    {sentence[:300]}")
    context.check(len(sentence) < 1000, f"{what}: {len(sentence)} bytes long")
    for word in saying:
        context.check(word.lower() in sentence.lower(),
                      f"{what}: the sentence lacks {word!r}: {sentence}")
    return sentence


def is_socket(path):
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False
