# SPDX-License-Identifier: LGPL-2.1-or-later
"""QMP peers that misbehave, alone or in front of a real QEMU."""

import json
import os
import socket
import subprocess
import sys
import threading

from .outcome import Failed

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0},
                                "package": ""}, "capabilities": ["oob"]}}


class FakeQmp:
    """KIND: http (no QMP at all), silent (accepts, says nothing), halts (a
    greeting and then nothing), huge (a line without end), old (a QEMU that
    has no command at all)."""

    def __init__(self, path, kind):
        self.path = path
        self.kind = kind
        self.links = []
        self.listener = socket.socket(socket.AF_UNIX)

    def __enter__(self):
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self._talk, args=(link,),
                             daemon=True).start()

    def _talk(self, link):
        try:
            if self.kind == "http":
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                link.close()
            elif self.kind == "huge":
                link.sendall(b'{"QMP": "')
                while True:
                    link.sendall(b"x" * 65536)
            elif self.kind in ("halts", "old"):
                link.sendall(json.dumps(GREETING).encode() + b"\r\n")
                if self.kind == "old":
                    self._answer(link)
        except OSError:
            pass

    def _answer(self, link):
        for line in link.makefile("rb"):
            request = json.loads(line)
            verb = request["execute"]
            if verb == "qmp_capabilities":
                reply = {"return": {}}
            elif verb == "query-qmp-schema":
                reply = {"return": [
                    {"name": name, "meta-type": "command", "arg-type": "0",
                     "ret-type": "0", "allow-oob": False}
                    for name in ("qmp_capabilities", "query-qmp-schema",
                                 "query-status")]
                    + [{"name": "0", "meta-type": "object", "members": []}]}
            else:
                reply = {"error": {"class": "CommandNotFound", "desc":
                                   f"The command {verb} has not been found"}}
            if "id" in request:
                reply["id"] = request["id"]
            link.sendall(json.dumps(reply).encode() + b"\r\n")


class QmpProxy:
    """tests/fake-qemu/fake-qmp.py with MODE in front of VM's monitor, or of the one at
    REAL, at PATH; it misbehaves from the start, or from on () to off ()."""

    def __init__(self, t, vm, name, mode, switched=False, real=None):
        self.path = t.path(f"{name}.qmp")
        self.switch = t.path(f"{name}.switch") if switched else None
        self.real = real or vm.qmp_path
        self.process = None
        t.defer(self.kill)
        self.start(mode)

    def start(self, mode):
        program = os.path.join(os.environ["PULLBACK_SRCDIR"], "tests",
                               "fake-qemu", "fake-qmp.py")
        more = ["--while", self.switch] if self.switch else []
        self.process = subprocess.Popen(
            [sys.executable, program, "--listen", self.path, mode, "--real",
             self.real, *more], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE)
        if self.process.stdout.readline().strip() != b"ready":
            raise Failed("fake-qmp.py did not start")

    def on(self, text=""):
        with open(self.switch + ".new", "w") as stream:
            stream.write(text)
        os.rename(self.switch + ".new", self.switch)

    def off(self):
        os.unlink(self.switch)

    def hold(self, command, number=1):
        """With the mode "hold": the NUMBER-th COMMAND from now on waits for
        off ()."""
        self.on(f"{command} {number}")

    def holds(self):
        return os.path.exists(self.switch + ".held")

    def kill(self):
        """As if the monitor were gone: nobody listens any more."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        if os.path.exists(self.path):
            os.unlink(self.path)
