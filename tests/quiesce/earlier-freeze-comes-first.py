#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""A guest that a failed backup-begin may have left frozen is thawed before the
next freeze, which fails where that cannot be: its freeze is not taken for
somebody else's."""

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.agent import Agent
from pullbacktest.processes import kill


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    child = agent.break_the_freeze()
    for words in (("backup-begin", "vm1"), ("checkpoint-create", "vm1", "x")):
        daemon.refuses(*words, "--quiesce", saying=("frozen",))
        t.check(any("quiesce.json" in f for f in daemon.files_left()),
                f"{words[0]}: the freeze is forgotten")
    kill(child[0])
    agent.answers = {}
    backup = daemon.begin("--quiesce")
    t.check(backup["consistency"] == "quiesced" and not agent.frozen,
            f"{backup}")
    daemon.abort()
    daemon.assert_nothing_left(20)


main(test)
