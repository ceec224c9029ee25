# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-backupd in private folders, and the command line to it."""

import json
import os
import signal
import socket
import subprocess

from .clients import run
from .control import Control
from .loopfs import FILLER
from .outcome import Failed, need, wait_until
from .processes import alive, command_line, descendants, end
from .refusal import check_refusal

NOT_OURS = ("control.sock", ".owner", FILLER)
OURS = ("nbdkit", "pullback-gateway", "pullback-differ")
KEPT = 3                        # exit status: an interrupted backup is kept
LATER = "when its storage answers"      # files are removed, the log says


class Daemon:
    """A test with several gives each a NAME, for folders of its own.  FILES is
    the "SOFT:HARD" limit of open files.  WITHIN: words before its own that run it
    elsewhere, as Libvirtd.within."""

    log_path = ""

    def __init__(self, context, scratch=None, env=None, more=(), name="",
                 files=None, stderr=None, within=()):
        self.context = context
        self.runtime = context.path(name + "r")
        self.state = context.path(name + "s")
        self.scratch = scratch or context.path(name + "f")
        self.socket = context.path(name + "c")
        self.log_path = context.path(name + "daemon.log")
        self.env = dict(os.environ, **(env or {}))
        self.more = list(more)
        self.files = files
        self.within = list(within)
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
                [*self.within, *limit, "pullback-backupd", "--runtime-dir", self.runtime,
                 "--state-dir", self.state, "--scratch-dir", self.scratch,
                 "--socket", self.socket, *self.more], stdin=subprocess.DEVNULL,
                stdout=log, stderr=self.stderr or log, env=self.env)
        wait_until(self._answers, 20, "pullback-backupd does not listen")

    def _answers(self):
        if self.process.poll() is not None:
            raise Failed(f"pullback-backupd ended: {self.log_text()[-2000:]}")
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

    def pace_file(self):
        """Of the only device that its backups have read from."""
        folder = os.path.join(self.runtime, ".pace")
        name, = [name for name in os.listdir(folder) if name != "host"]
        return os.path.join(folder, name)

    def pullback(self, *words, check=True, timeout=270):
        """The finished command, for what it prints for people."""
        return run("pullback", "--socket", self.socket, *words, check=check,
                   timeout=timeout)

    def beside(self, *words):
        """pullback WORDS, which goes on beside the test: its process."""
        process = subprocess.Popen(
            ["pullback", "--socket", self.socket, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        self.context.defer(process.stderr.close)
        self.context.defer(process.wait)
        self.context.defer(process.kill)
        return process

    def cli(self, *words, check=True, timeout=270):
        """pullback --json WORDS: the reply object.  check=False: the
        finished process."""
        done = self.pullback("--json", *words, check=check, timeout=timeout)
        if not check:
            return done
        reply = json.loads(done.stdout) if done.stdout.strip() else {}
        if isinstance(reply, dict) and set(reply) <= {"return", "id"} \
                and "return" in reply:
            reply = reply["return"]
        return reply

    def refuses(self, *words, saying=(), status=(1, 2)):
        """The command must fail with one sentence that names these things."""
        return check_refusal(self.context, self.pullback(*words, check=False),
                             saying, status)

    def ask(self, verb, **arguments):
        """The reply to one command; ControlError if it is refused."""
        with Control(self.socket) as control:
            return control(verb, **arguments)

    def log_text(self):
        with open(self.log_path) as log:
            return log.read()

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

    def wait_ended(self, *saying, name="vm1", deadline=20):
        """Until no backup runs, and the sentence on the last one has these
        words, which may come after its files have gone."""
        def said():
            return self.pullback("backup-info", name, check=False).stderr

        def ended():
            now = said()
            return all(word in now for word in ("the last one ended: ", *saying))
        wait_until(ended, deadline,
                   lambda: f"backup-info lacks {saying}: {said()}")

    def processes(self, name="vm1"):
        """{"sink": pid, "view": pid, "gateway": pid}; 0: being started again"""
        return self.info(name)["processes"]

    def pid_of(self, role, name="vm1", deadline=30):
        """The pid of the sink, view or gateway that runs now, or soon."""
        return wait_until(lambda: self.processes(name)[role], deadline,
                          f"the {role} of {name} does not run")

    def children(self):
        """Living sinks, views, gateways and copies that this test caused."""
        found = []
        for pid in descendants(os.getpid()):
            words = command_line(pid).split()
            names = {os.path.basename(word) for word in words[:3]}
            if names & set(OURS):
                found.append((pid, " ".join(words)))
        return found

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=60)

    def _stop(self, by, deadline, status):
        if not end(self.process, deadline, by):
            raise Failed(f"pullback-backupd did not end within {deadline} s "
                         f"of {by.name}")
        need(self.process.returncode == status, "pullback-backupd ended with "
             f"status {self.process.returncode}, want {status}")

    def terminate(self, deadline=60, status=0):
        """SIGINT: with its backups it must end, with STATUS."""
        self._stop(signal.SIGINT, deadline, status)
        self._look_for_leftovers()

    def leave(self, deadline=60):
        """SIGTERM: it ends, its backups go on."""
        self._stop(signal.SIGTERM, deadline, 0)

    def restart(self):
        self.terminate()
        self.start()

    def register(self, name, qmp="/nonexistent/qmp"):
        """As domain-add does, without a QEMU; takes effect at the next
        start."""
        os.makedirs(os.path.join(self.state, name), mode=0o700)
        with open(os.path.join(self.state, name, "domain.json"), "w") as f:
            json.dump({"format": 1, "name": name, "qmp": qmp, "disks": []}, f)

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        t = self.context
        t.check(end(self.process, 60, signal.SIGINT),
                "pullback-backupd ignores SIGINT")
        t.check(self.process.returncode in (0, KEPT),
                f"pullback-backupd ended with {self.process.returncode}")
        self._look_for_leftovers()

    def _removes_later(self):
        """Where storage took too long a helper removes files, and the log says so."""
        return os.path.exists(self.log_path) and LATER in self.log_text()

    def _look_for_leftovers(self):
        """One that ended well has left nothing."""
        if self.process.returncode == 0:
            if self._removes_later():
                wait_until(lambda: not self.files_left(), 30,
                           lambda: f"the daemon left {self.files_left()}")
            left = self.files_left()
            if os.path.exists(self.socket):
                left.append(self.socket)
            self.context.check(not left, f"the daemon left {left}")

    def files_left(self):
        """What only a running backup may have.  (A scratch folder's mark stays as
        long as the domain, a device's pace file for good, and the ledger of
        restores where there are checkpoints.)"""
        found = []
        for top in (self.runtime, self.scratch):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    if (path != self.socket and name not in NOT_OURS and
                            os.path.basename(folder) != ".pace"):
                        found.append(path)
        for folder, _, names in os.walk(self.state):
            found += [os.path.join(folder, name) for name in names
                      if name in ("job.json", "quiesce.json") or
                      (os.path.basename(folder) == ".restore" and
                       name != ".ledger") or name.endswith((".tmp", ".new"))]
        return found

    def assert_nothing_left(self, deadline=0.0):
        """No process, socket or file of an ended backup."""
        def nothing():
            return not self.children() and not self.files_left()

        def text():
            return (f"left behind: processes {self.children()}, "
                    f"files {self.files_left()}")

        if deadline or self._removes_later():
            wait_until(nothing, deadline or 30, text)
        elif not nothing():
            raise Failed(text())

    def alive(self):
        return alive(self.pid)
