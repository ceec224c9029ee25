# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small QMP client."""

import json
import socket
import time

from .outcome import Failed


class QmpError(Exception):
    def __init__(self, command, error):
        super().__init__(f"{command}: {error.get('desc')}")
        self.error_class = error.get("class")


class Qmp:
    def __init__(self, path, timeout=60.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.buffer = b""
        self.events = []
        self.timeout = timeout
        end = time.monotonic() + timeout
        while True:
            try:
                self.socket.connect(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        self._receive()
        self("qmp_capabilities")

    def _receive(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 16)
            if not data:
                raise EOFError("QEMU closed the monitor")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def __call__(self, command, arguments=None, **more):
        """Runs COMMAND; keyword a_b means argument a-b."""
        arguments = dict(arguments or {})
        arguments.update((k.replace("_", "-"), v) for k, v in more.items())
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        return self.answer(command)

    def answer(self, command):
        """Of COMMAND, to which none came when it was sent."""
        while True:
            message = self._receive()
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise QmpError(command, message["error"])

    def hmp(self, line):
        return self("human-monitor-command", command_line=line)

    def wait_event(self, name, deadline=60.0):
        end = time.monotonic() + deadline
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            if time.monotonic() > end:
                raise Failed(f"no event {name} within {deadline:g} s")
            self.socket.settimeout(0.2)
            try:
                self._receive()
            except (TimeoutError, socket.timeout):
                pass
            finally:
                self.socket.settimeout(self.timeout)

    def close(self):
        self.socket.close()
