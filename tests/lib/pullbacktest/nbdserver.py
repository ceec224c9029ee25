# SPDX-License-Identifier: LGPL-2.1-or-later
"""NBD servers on sockets of their own: any program, and nbdkit with our
plugin."""

import os
import select
import signal
import socket as sockets
import subprocess

from .clients import open_nbd
from .outcome import Failed, wait_until
from .processes import end

PLUGIN = os.environ["PULLBACK_PLUGIN"]
# Any nbdkit, with any plugin, hangs in p11-kit's destructor at exit when the
# address sanitizer is preloaded.  Then its end is not checked.
HANGS_AT_EXIT = bool(os.environ.get("PULLBACK_PLUGIN_PRELOAD"))


def listens(path):
    with sockets.socket(sockets.AF_UNIX) as link:
        try:
            link.connect(path)
        except OSError:
            return False
    return True


class NbdServer:
    """Runs when it is made.  What it says on standard error is in said (),
    unless STDERR is a descriptor of the test's own."""

    def __init__(self, t, command, socket, env=None, inherit=(), stderr=None):
        self.t = t
        self.socket = socket
        self.log_path = socket + ".log"
        self.handles = []
        self.killed = False
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, env=env, pass_fds=inherit, stdin=subprocess.DEVNULL,
                stderr=log if stderr is None else stderr)
        t.defer(self.end)

        def up():
            if self.process.poll() is not None:
                raise Failed(f"{command[0]}: {self.said()}")
            return listens(socket)
        wait_until(up, 15, f"{command[0]} does not listen")

    @property
    def pid(self):
        return self.process.pid

    def uri(self, export):
        return f"nbd+unix:///{export}?socket={self.socket}"

    def connect(self, export, *contexts):
        """A handle of libnbd that refuses nothing by itself."""
        handle = open_nbd(self.uri(export), contexts, strict=False)
        self.handles.append(handle)
        return handle

    def said(self):
        with open(self.log_path) as log:
            return log.read()

    def end(self):
        early = self.process.poll()
        self.t.check(early in (None, 0, -signal.SIGTERM) or self.killed,
                     f"{self.process.args[0]} died: {early}")
        # nbdkit waits for its clients.
        while self.handles:
            hang_up(self.handles.pop())
        well = end(self.process, 1 if HANGS_AT_EXIT else 60)
        self.killed = self.killed or not well   # it may be ended again
        self.t.check(well or HANGS_AT_EXIT,
                     f"{self.process.args[0]} did not end at SIGTERM")

    def kill(self):
        self.killed = True
        self.process.kill()
        self.process.wait()


def hang_up(handle):
    import nbd
    try:
        handle.shutdown()
    except nbd.Error:
        pass                    # it is gone already


def plugin_env():
    env = dict(os.environ)
    if env.get("PULLBACK_PLUGIN_PRELOAD"):
        env["LD_PRELOAD"] = env["PULLBACK_PLUGIN_PRELOAD"]
    return env


def nbdkit(t, socket, *parameters, options=(), **more):
    """One with our plugin."""
    return NbdServer(t, ["nbdkit", "-f", "-U", socket, "--exit-with-parent",
                         *options, PLUGIN, *parameters], socket, plugin_env(),
                     **more)


def refused(*parameters, inherit=()):
    """Starts nbdkit with our plugin, which must refuse; what it said."""
    p = subprocess.Popen(["nbdkit", "-f", "-U", "-", "--exit-with-parent",
                          PLUGIN, *parameters], env=plugin_env(),
                         pass_fds=inherit, stderr=subprocess.PIPE)
    said = first_words(p.stderr, 60) if HANGS_AT_EXIT else b""
    try:
        said += p.communicate(timeout=1 if HANGS_AT_EXIT else 60)[1]
        assert p.returncode != 0, f"nbdkit accepted {parameters}"
    except subprocess.TimeoutExpired:
        p.kill()
        said += p.communicate()[1]
        assert HANGS_AT_EXIT, f"nbdkit accepted {parameters}"
    return said.decode()


def first_words(stream, deadline):
    """What there is in the unbuffered STREAM when the first of it comes."""
    if not select.select([stream], [], [], deadline)[0]:
        return b""
    return os.read(stream.fileno(), 65536)
