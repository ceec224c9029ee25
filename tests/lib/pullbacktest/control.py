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
    """A connection, made when it is needed.  Calling it runs a command:

        Control(daemon.socket)("backup-begin", domain="vm1", idle_timeout=3)
    """

    def __init__(self, path, timeout=300.0):
        self.path = path
        self.timeout = timeout
        self.socket = None
        self.buffer = b""
        self.greeting = None

    def __enter__(self):
        return self.connect()

    def __exit__(self, *_):
        self.close()

    def connect(self):
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(self.timeout)
            self.socket.connect(self.path)
            self.greeting = self.read()
        return self

    def read(self):
        """The next message; None at the end."""
        while b"\n" not in self.buffer:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def send_bytes(self, data):
        self.connect().socket.sendall(data)

    def send(self, verb, **arguments):
        """a_b means argument a-b; None ones are left out.  Returns at once."""
        arguments = {name.replace("_", "-"): value
                     for name, value in arguments.items()
                     if value is not None}
        self.send_bytes(json.dumps(
            {"execute": verb, "arguments": arguments}).encode() + b"\n")

    def reply(self, verb):
        while True:
            message = self.read()
            if message is None:
                raise EOFError("the daemon closed its control socket")
            if "return" in message:
                return message["return"]
            if "error" in message:
                raise ControlError(verb, message["error"])

    def __call__(self, verb, **arguments):
        self.send(verb, **arguments)
        return self.reply(verb)

    def answer(self, data):
        """The message that DATA is answered with; None if the daemon hangs
        up."""
        try:
            self.send_bytes(data)
            return self.read()
        except (BrokenPipeError, ConnectionResetError):
            return None

    def close(self):
        """The next command connects again."""
        if self.socket is not None:
            self.socket.close()
        self.socket, self.buffer = None, b""
