#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback-quiesce is killed when it is to thaw, and the agent then does not answer
for a while: the daemon, whose backup goes on, thaws the guest by itself."""

import os
import signal
import socket
import struct

from fakeagent import Agent
from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until


def kill_client(agent):
    """Who is connected dies, and the next is not answered."""
    data = agent.client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    os.kill(struct.unpack("3i", data)[0], signal.SIGKILL)
    agent.answers = {}
    agent.frozen = agent.deaf = True


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    agent.answers = {"guest-fsfreeze-thaw": kill_client}
    backup = daemon.begin("--quiesce")
    t.check(backup["consistency"] == "crash-consistent", f"{backup}")
    need(agent.frozen, "the test did not leave the guest frozen")
    agent.deaf = False
    wait_until(lambda: not agent.frozen, 60, "not thawed without a command")
    wait_until(lambda: not any("quiesce" in f for f in daemon.files_left()),
               10, lambda: f"left: {daemon.files_left()}")
    t.check(daemon.info()["state"] == "ready", f"{daemon.info()}")
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
