# SPDX-License-Identifier: LGPL-2.1-or-later
"""Helpers for tests of pullback-backupd and pullback that need no QEMU."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DEADLINE = 20


def folder():
    """A private temporary folder with a short path."""
    path = tempfile.mkdtemp(prefix="pb-", dir="/tmp")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def check(condition, message):
    if not condition:
        print(f"FAIL: {message}")
        sys.exit(1)


def wait_until(condition, message, deadline=DEADLINE):
    end = time.monotonic() + deadline
    while not condition():
        check(time.monotonic() < end, message)
        time.sleep(0.02)


class Daemon:
    """pullback-backupd in its own folders; ended at exit."""

    def __init__(self, top=None, *more):
        self.top = top or folder()
        self.runtime = os.path.join(self.top, "run")
        self.state = os.path.join(self.top, "state")
        self.socket = os.path.join(self.runtime, "control.sock")
        self.more = more
        self.process = None
        self.start()
        atexit.register(self.kill)

    def start(self):
        self.log = open(os.path.join(self.top, "log"), "a+")
        self.process = subprocess.Popen(
            ["pullback-backupd", "--runtime-dir", self.runtime,
             "--state-dir", self.state, *self.more],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(lambda: "ready" in self.log_text() or self.ended(),
                   "the daemon does not get ready")
        check(not self.ended(), f"the daemon ended: {self.log_text()}")

    def log_text(self):
        with open(self.log.name) as log:
            return log.read()

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        if self.process is not None and not self.ended():
            self.process.kill()
            self.process.wait()
        self.log.close()

    def stop(self, status=0):
        """SIGTERM must end it with STATUS."""
        self.process.send_signal(signal.SIGTERM)
        ended = self.process.wait(timeout=DEADLINE)
        check(ended == status, f"status {ended} after SIGTERM, want {status}")
        check(not os.path.exists(self.socket), "the control socket is left")
        self.log.truncate(0)

    def cli(self, *words):
        return cli("--socket", self.socket, *words)

    def ask(self, verb, **arguments):
        """The reply to one command."""
        with Client(self.socket) as client:
            return client.ask(verb, **arguments)

    def register(self, name, qmp="/nonexistent/qmp", disks=()):
        """As domain-add does; takes effect at the next start."""
        os.makedirs(os.path.join(self.state, name), mode=0o700)
        with open(os.path.join(self.state, name, "domain.json"), "w") as f:
            json.dump({"format": 1, "name": name, "qmp": qmp,
                       "disks": list(disks)}, f)

    def restart(self):
        self.stop()
        self.start()


class Client:
    """A raw connection to the control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.greeting = self.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def read(self):
        """The next message; None at the end."""
        line = self.file.readline()
        return json.loads(line) if line else None

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, verb, **arguments):
        request = {"execute": verb}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): value
                                    for key, value in arguments.items()}
        self.send(json.dumps(request).encode() + b"\n")
        return self.read()


def cli(*words):
    return subprocess.run(["pullback", *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)


def refused(done, status, *says):
    """One sentence on stderr that names these things, and the status."""
    what = " ".join(done.args)[:100]
    lines = done.stderr.splitlines()
    check(done.returncode == status,
          f"{what}: status {done.returncode}, want {status}: {done.stderr}")
    check(len(lines) == 1 and lines[0].startswith("pullback: "),
          f"{what}: want one sentence, not {done.stderr!r}")
    check(done.stdout == "", f"{what}: printed {done.stdout!r}")
    check(len(lines[0]) < 1000, f"{what}: {len(lines[0])} bytes")
    for word in says:
        check(word in lines[0], f"{what}: {word!r} is not in {lines[0]!r}")


def error_class(reply, wanted):
    got = reply.get("error", {}).get("class")
    check(got == wanted, f"want {wanted}, got {reply}")
    return reply["error"]["desc"]
