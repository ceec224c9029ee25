#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
"""backup-begin --quiesce with guest agents of all kinds: it says quiesced only
where the guest was frozen throughout, fails where it cannot be frozen, and
leaves no guest frozen."""

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.agent import Agent

ERROR = b'{"error": {"class": "GenericError", "desc": "not today"}}\n'
FREEZE, THAW = "guest-fsfreeze-freeze", "guest-fsfreeze-thaw"


def thaws_itself(agent):
    """Answers the freeze, and does not keep it."""
    agent.frozen = False
    return agent._json(1)


def good_and_doubtful(t, daemon, agent):
    backup = daemon.begin("--quiesce")
    t.check(backup["consistency"] == "quiesced" and
            backup["consistency-reason"] is None, f"quiesced: {backup}")
    t.check(0 < backup["quiesced-ms"] < 5000, f"{backup['quiesced-ms']} ms")
    t.check(not agent.frozen, "still frozen after begin")
    freezes = len(agent.said(FREEZE))
    daemon.commit()
    backup = daemon.begin()
    t.check(backup["consistency"] == "crash-consistent" and
            backup["quiesced-ms"] is None, "not asked for, but quiesced")
    t.check(len(agent.said(FREEZE)) == freezes, "frozen without --quiesce")
    daemon.commit()
    for answers, filesystems, word in (
            ({FREEZE: thaws_itself}, 1, "somebody else"),
            ({THAW: Agent.kill_client}, 1, "too early"),
            ({}, 0, "no file system")):
        agent.answers, agent.filesystems = answers, filesystems
        backup = daemon.begin("--quiesce")
        t.check(backup["consistency"] == "crash-consistent" and
                word in backup["consistency-reason"],
                f"{word}: {backup['consistency']}, "
                f"{backup['consistency-reason']}")
        t.check(not agent.frozen, f"{word}: still frozen after begin")
        daemon.abort()
    agent.answers, agent.filesystems = {}, 2


def failures(t, vm, daemon, agent):
    before = vm.state()
    for answers, word in (({FREEZE: ERROR}, "not today"),
                          ({FREEZE: b"?\n"}, "not a guest agent"),
                          ({FREEZE: Agent.kill_client}, "no answer")):
        agent.answers = answers
        daemon.refuses("backup-begin", "vm1", "--quiesce", "--checkpoint",
                       "c", saying=("quiesce", word))
        wait_until(lambda: not agent.frozen, 10, f"{word}: stays frozen")
        vm.assert_clean(before)
        daemon.assert_nothing_left(20)
    agent.answers = {}
    agent.deaf = True
    daemon.refuses("backup-begin", "vm1", "--quiesce",
                   saying=("does not answer",))
    vm.assert_clean(before)
    daemon.assert_nothing_left(20)
    agent.deaf = False
    t.check(not agent.frozen, "frozen by what failed")
    t.check(daemon.cli("checkpoint-list", "vm1")["checkpoints"] == [],
            "a failed begin left a checkpoint")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 64 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.refuses("backup-begin", "vm1", "--quiesce",
                   saying=("vm1", "--agent"))
    daemon.cli("domain-remove", "vm1")
    daemon.add(vm, "--agent", agent.path)
    good_and_doubtful(t, daemon, agent)
    failures(t, vm, daemon, agent)
    daemon.terminate()
    daemon.start()
    backup = daemon.begin("--quiesce")
    t.check(backup["consistency"] == "quiesced",
            "the agent is forgotten after a restart")
    daemon.commit()
    daemon.assert_nothing_left(20)


main(test)
