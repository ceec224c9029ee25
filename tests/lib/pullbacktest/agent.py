# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest agent that does what a test wants, and pullback-quiesce."""

import json
import os
import socket
import struct
import subprocess
import threading
import time

from .processes import kill


class Agent:
    """Answers on a unix socket as qemu-ga does behind a virtio-serial port:
    one client at a time, and its state outlives them.

    answers: {verb: what to send instead}: bytes, a function of the agent
    that returns bytes, or None for nothing at all.  delays: {verb: seconds}.
    """

    def __init__(self, path, answers=None, delays=None, filesystems=2):
        self.path = path
        self.answers = answers or {}
        self.delays = delays or {}
        self.filesystems = filesystems
        self.frozen = False
        self.verbs = []         # (time, verb) of what was carried out
        self.first = b""        # sent to a client when it comes
        self.deaf = False
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        self.client = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.client.sendall(self.first)
                self._talk(self.client)
            except OSError:
                pass
            self.client.close()

    def _talk(self, client):
        data = b""
        while True:
            piece = client.recv(4096)
            if not piece:
                return
            if self.deaf:
                continue
            # The delimiter resets the parser.
            data = (data + piece).rpartition(b"\xff")[2]
            while b"\n" in data:
                line, data = data.split(b"\n", 1)
                if line.strip():
                    self._request(client, json.loads(line))

    def _request(self, client, request):
        verb = request["execute"]
        time.sleep(self.delays.get(verb, 0))
        if verb == "guest-sync-delimited":
            reply = self._json(request["arguments"]["id"], b"\xff")
        else:
            self.verbs.append((time.monotonic(), verb))
            reply = self._act(verb)
        if verb in self.answers:
            reply = self.answers[verb]
            if callable(reply):
                reply = reply(self)
        if reply:
            client.sendall(reply)

    def _act(self, verb):
        if verb == "guest-fsfreeze-status":
            return self._json("frozen" if self.frozen else "thawed")
        count = self.filesystems if self.frozen != verb.endswith("-freeze") \
            else 0
        self.frozen = verb.endswith("-freeze")
        return self._json(count)

    @staticmethod
    def _json(value, before=b""):
        return before + json.dumps({"return": value}).encode() + b"\n"

    def said(self, verb):
        return [t for t, v in self.verbs if v == verb]

    def client_pid(self):
        data = self.client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED,
                                      12)
        return struct.unpack("3i", data)[0]

    def kill_client(self, deaf=False):
        """Kills the pullback-quiesce that is connected: as one of ANSWERS it
        dies before it has one, and the guest stays frozen.  DEAF: the next
        is not answered."""
        pid = self.client_pid()
        # Whoever sees it dead, or the answers gone, sees the rest.
        self.frozen = True
        self.deaf = deaf
        kill(pid)
        self.answers = {}

    def break_the_freeze(self):
        """The next freeze is done, but the line breaks before its answer, and no
        thaw works until the answers are changed.  The list that will have the
        process that asked for it."""
        child = []

        def freeze(agent):
            child.append(agent.client_pid())
            agent.cut()

        def thaw(agent):
            agent.frozen = True
            return (b'{"error": {"class": "GenericError", '
                    b'"desc": "not now"}}\n')

        self.answers = {"guest-fsfreeze-freeze": freeze,
                        "guest-fsfreeze-thaw": thaw}
        return child

    def cut(self):
        """The line breaks; who connects again is served."""
        self.client.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        if self.client:
            try:
                self.client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Quiesce:
    """A running pullback-quiesce."""

    def __init__(self, context, path, *options):
        self.process = context.start(
            "pullback-quiesce", "--agent", path, *options,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def line(self):
        return self.process.stdout.readline().strip()

    def thaw(self):
        self.process.stdin.write("thaw\n")
        self.process.stdin.flush()

    def wait(self, timeout=20):
        """(status, the rest of stdout, stderr)"""
        # communicate would close stdin, which thaws.
        status = self.process.wait(timeout)
        return (status, self.process.stdout.read().strip(),
                self.process.stderr.read().strip())
