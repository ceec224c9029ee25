#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: waits
"""pullback-quiesce is killed when it is to thaw, and the agent then does not answer
for a while: the daemon, whose backup goes on, thaws the guest by itself."""

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until
from pullbacktest.agent import Agent


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    agent.answers = {
        "guest-fsfreeze-thaw": lambda agent: agent.kill_client(deaf=True)}
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
