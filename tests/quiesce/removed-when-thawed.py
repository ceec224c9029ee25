#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: waits
"""domain-remove forgets no guest that may still be frozen: it thaws it, says what
to do where the agent does not answer, and goes on where QEMU has exited."""

from pullbacktest import MIB, VM, Daemon, Disk, main, need
from pullbacktest.agent import Agent


def leave_frozen(daemon, agent):
    agent.answers = {
        "guest-fsfreeze-thaw": lambda agent: agent.kill_client(deaf=True)}
    daemon.begin("--quiesce")
    daemon.abort()
    need(agent.frozen, "the test did not leave the guest frozen")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    leave_frozen(daemon, agent)
    daemon.refuses("domain-remove", "vm1",
                   saying=("vm1", "may be frozen", "quiesce.json"))
    agent.deaf = False
    daemon.cli("domain-remove", "vm1")
    t.check(not agent.frozen, "forgotten while its guest is frozen")
    t.say("a QEMU that has exited")
    daemon.add(vm, "--agent", agent.path)
    leave_frozen(daemon, agent)
    vm.kill9()
    daemon.cli("domain-remove", "vm1")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
