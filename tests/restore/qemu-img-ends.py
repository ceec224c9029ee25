#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The qemu-img that makes a new image ends with the daemon, whether that is killed or told to
end, and nothing is left of the image."""

import os
import signal
import subprocess

from pullbacktest import Daemon, kill, main, wait_until
from pullbacktest.restore import beside, restores

HANGING = "#!/bin/sh\necho $$ >{}\nexec sleep 600\n"


def test(t):
    programs, noted = t.path("programs"), t.path("noted")
    os.mkdir(programs)
    name = os.path.join(programs, "qemu-img")
    with open(name, "w") as stream:
        stream.write(HANGING.format(noted))
    os.chmod(name, 0o755)
    daemon = Daemon(t, env={"PATH": f"{programs}:{os.environ['PATH']}"})
    path = t.path("disk.qcow2")

    def written():
        return os.path.exists(noted) and os.path.getsize(noted) > 0

    for by in signal.SIGTERM, signal.SIGKILL:
        client = subprocess.Popen(
            ["pullback", "--socket", daemon.socket, "restore-begin", "w",
             "--image", path, "--create", "qcow2", "--size", "1G"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        t.defer(client.wait)
        t.defer(client.kill)
        wait_until(written, 20, "qemu-img was not started")
        with open(noted) as stream:
            pid = int(stream.read())
        os.unlink(noted)
        t.defer(end, pid)
        # Before the daemon leaves things to the next one.
        if by == signal.SIGTERM:
            daemon.leave(deadline=15)
        else:
            daemon.kill9()
        wait_until(lambda: not runs(pid), 10, f"{by.name}: qemu-img goes on")
        client.wait(60)
        daemon.start()
        t.check(restores(daemon) == {}, f"{restores(daemon)}")
        t.check(beside(path) == [], f"{by.name} left {beside(path)}")
    daemon.terminate()


def runs(pid):
    """It is there, and not only to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def end(pid):
    if runs(pid):
        kill(pid)


main(test)
