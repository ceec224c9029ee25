# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's control socket, without a process per command."""

import json
import socket


class ControlError(Exception):
    """A command was refused; error_class is the protocol's class."""

    def __init__(self, verb, error):
        super().__init__(f"{verb}: {error['class']}: {error['desc']}")
        self.error_class = error["class"]


class Control:
    def __init__(self, path, timeout=120.0):
        self.path = path
        self.timeout = timeout
        self.socket = None
        self.buffer = b""

    def _line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("the daemon closed its control socket")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def send(self, verb, **arguments):
        """a_b means argument a-b; None ones are left out.  Returns at once."""
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(self.timeout)
            self.socket.connect(self.path)
            self._line()
        arguments = {name.replace("_", "-"): value
                     for name, value in arguments.items()
                     if value is not None}
        self.socket.sendall(json.dumps(
            {"execute": verb, "arguments": arguments}).encode() + b"\n")

    def reply(self, verb):
        while True:
            message = self._line()
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise ControlError(verb, message["error"])

    def __call__(self, verb, **arguments):
        self.send(verb, **arguments)
        return self.reply(verb)

    def close(self):
        """The next command connects again."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.buffer = None, b""
