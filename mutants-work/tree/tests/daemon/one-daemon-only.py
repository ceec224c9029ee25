#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second daemon on the same socket, runtime or state folder is refused with a
sentence; the socket and lock of one that died are not in the way."""

import os
import socket

from pullbacktest import Daemon, main, run
from pullbacktest.refusal import check_refusal


def second(t, *options, saying, status=1):
    done = run("pullback-backupd", *options, check=False, timeout=60)
    check_refusal(t, done, saying, [status])


def beside_the_first(t, daemon, other):
    second(t, "--runtime-dir", daemon.runtime, "--state-dir", other,
           "--socket", os.path.join(other, "control"),
           saying=["another pullback-backupd",
                   f"runtime folder {daemon.runtime}"])
    second(t, "--runtime-dir", other, "--state-dir", other, "--socket",
           daemon.socket, saying=["another pullback-backupd", daemon.socket])
    second(t, "--runtime-dir", other, "--state-dir", daemon.state,
           saying=["another pullback-backupd", daemon.state])
    daemon.ask("version")


def after_a_death(t, daemon):
    daemon.kill9()
    t.check(os.path.exists(daemon.socket), "kill -9 leaves the socket")
    daemon.start()
    daemon.ask("version")
    daemon.terminate()


def things_in_the_way(t, daemon, other):
    ours = ["--runtime-dir", daemon.runtime, "--state-dir", daemon.state,
            "--socket", daemon.socket]
    with open(daemon.socket, "w") as f:
        f.write("mine")
    second(t, *ours, saying=["not a socket"])
    with open(daemon.socket) as f:
        t.check(f.read() == "mine", "a file that is not ours was replaced")
    os.unlink(daemon.socket)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(daemon.socket)
        listener.listen()
        second(t, *ours, saying=[daemon.socket])
    os.unlink(daemon.socket)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(daemon.socket)
        second(t, *ours, saying=["in the way", daemon.socket])
    os.unlink(daemon.socket)

    plain = os.path.join(other, "plain")
    open(plain, "w").close()
    theirs = ["--runtime-dir", other, "--state-dir", other]
    for option in ("--runtime-dir", "--state-dir"):
        second(t, *theirs, option, os.path.join(plain, "x"), saying=[plain])
    second(t, *theirs, "--socket", "/" + "n" * 200, saying=["1 to 107 bytes"])


def test(t):
    daemon = Daemon(t)
    other = t.path("other")
    os.mkdir(other)
    beside_the_first(t, daemon, other)
    after_a_death(t, daemon)
    things_in_the_way(t, daemon, other)
    second(t, "--nonsense", saying=["--nonsense"], status=2)
    second(t, "stray", saying=["stray"], status=2)


main(test)
