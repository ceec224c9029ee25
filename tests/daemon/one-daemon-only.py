#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second daemon on the same socket, runtime or state folder is refused with a
sentence; the socket and lock of one that died are not in the way."""

import os
import socket
import subprocess

from daemontest import Daemon, check, folder


def second(*options):
    done = subprocess.run(["pullback-backupd", *options], timeout=60,
                          capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    check(done.stderr.count("\n") == 1, f"one sentence: {done.stderr!r}")
    return done


daemon = Daemon()
other = folder()
done = second("--runtime-dir", daemon.runtime, "--state-dir", other,
              "--socket", os.path.join(other, "control"))
check(done.returncode == 1 and "another pullback-backupd" in done.stderr
      and f"runtime folder {daemon.runtime}" in done.stderr, done)
done = second("--runtime-dir", other, "--state-dir", other,
              "--socket", daemon.socket)
check(done.returncode == 1 and "another pullback-backupd" in done.stderr
      and daemon.socket in done.stderr, done)
done = second("--runtime-dir", other, "--state-dir", daemon.state)
check(done.returncode == 1 and "another pullback-backupd" in done.stderr
      and daemon.state in done.stderr, done)
check("return" in daemon.ask("version"), "the first one suffered")

daemon.process.kill()
daemon.process.wait()
check(os.path.exists(daemon.socket), "kill -9 leaves the socket")
daemon.log.truncate(0)
daemon.start()
check("return" in daemon.ask("version"), "no answer after kill -9")
daemon.stop()

# Things in the way.
os.makedirs(daemon.runtime, exist_ok=True)
with open(daemon.socket, "w") as f:
    f.write("mine")
done = second("--runtime-dir", daemon.runtime, "--state-dir", daemon.state)
check(done.returncode == 1 and "not a socket" in done.stderr, done)
with open(daemon.socket) as f:
    check(f.read() == "mine", "a file that is not ours was replaced")
os.unlink(daemon.socket)
plain = os.path.join(other, "plain")
open(plain, "w").close()
for option in ("--runtime-dir", "--state-dir"):
    done = second("--runtime-dir", other, "--state-dir", other, option,
                  os.path.join(plain, "x"))
    check(done.returncode == 1 and plain in done.stderr, done)
done = second("--nonsense")
check(done.returncode == 2 and "--nonsense" in done.stderr, done)
done = second("stray")
check(done.returncode == 2 and "stray" in done.stderr, done)
done = second("--runtime-dir", other, "--state-dir", other, "--socket",
              "/" + "n" * 200)
check(done.returncode == 1 and "too long" in done.stderr, done)

# A listener of another kind at our place.
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(daemon.socket)
    listener.listen()
    done = second("--runtime-dir", daemon.runtime, "--state-dir",
                  daemon.state)
    check(done.returncode == 1 and daemon.socket in done.stderr, done)
