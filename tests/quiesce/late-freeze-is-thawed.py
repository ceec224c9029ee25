#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The line to the guest agent breaks amid the freeze, which is done all the
same, and pullback-quiesce ends before it has thawed the guest: the daemon
thaws it."""

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until
from pullbacktest.agent import Agent
from pullbacktest.metrics import Metrics
from pullbacktest.processes import kill


def may_be_frozen(daemon):
    metrics = Metrics(daemon.pullback("metrics").stdout)
    return metrics.get("pullback_domain_may_be_frozen", domain="vm1")


def connected(path):
    """How many connections somebody has to the socket PATH."""
    with open("/proc/net/unix") as stream:
        rows = [line.split() for line in stream]
    return sum(row[5] == "03" and row[-1] == path for row in rows)


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    child = agent.break_the_freeze()
    daemon.refuses("backup-begin", "vm1", "--quiesce",
                   saying=("cannot be quiesced", "may still be frozen"))
    t.check(may_be_frozen(daemon), "it is not told that the guest may be frozen")
    # What is known of a domain is told when that is closed, too.
    wait_until(lambda: not connected(vm.qmp_path), 20, "the link stays open")
    kill(child[0])
    need(agent.frozen, "the test did not leave the guest frozen")
    agent.answers = {}
    wait_until(lambda: not agent.frozen, 20, "the daemon does not thaw")
    wait_until(lambda: not may_be_frozen(daemon), 5, "the thaw is not told")
    daemon.assert_nothing_left(20)
    backup = daemon.begin("--quiesce")
    t.check(backup["consistency"] == "quiesced", f"{backup}")
    daemon.abort()


main(test)
