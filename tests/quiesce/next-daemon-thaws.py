#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
# mark: slow
"""The daemon and pullback-quiesce are both killed while the guest is frozen, for
a backup or for a checkpoint: the next daemon thaws it, at once or, by itself,
when the agent answers again, also where QEMU's monitor is not there."""

import os
import resource

from pullbacktest import (MIB, VM, Daemon, Disk, Skip, main, need, run,
                          wait_until)
from pullbacktest.agent import Agent

THAW = "guest-fsfreeze-thaw"


def both_die(daemon, agent, step, *words):
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = step
    daemon.start()
    agent.answers = {THAW: Agent.kill_client}
    daemon.cli(*words, "--quiesce", check=False)
    daemon.process.wait(timeout=60)
    wait_until(lambda: not agent.answers, 10, "nobody tried to thaw")
    need(agent.frozen, "the test did not leave the guest frozen")
    del daemon.env["PULLBACK_STOP_AFTER"]


JOBS = (("quiesce", "backup-begin", "vm1", "--checkpoint", "x"),
        ("create-quiesce", "checkpoint-create", "vm1", "x"))


def test(t):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if run("pullback-backupd", "--list-steps", check=False).returncode != 0:
        raise Skip("this build lacks --enable-stop-after")
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    agent = Agent(t.path("agent"))
    daemon = Daemon(t)
    daemon.add(vm, "--agent", agent.path)
    before = vm.state()
    for words in JOBS:
        t.say(words[1])
        both_die(daemon, agent, *words)
        daemon.start()
        wait_until(lambda: not agent.frozen, 20,
                   "the next daemon does not thaw")
        wait_until(lambda: not daemon.files_left(), 30,
                   lambda: f"left: {daemon.files_left()}")
        vm.assert_clean(before)
    t.say("an agent that does not answer at first")
    both_die(daemon, agent, *JOBS[1])
    agent.deaf = True
    os.rename(vm.qmp_path, vm.qmp_path + ".away")
    daemon.start()
    daemon.cli("domain-info", "vm1", check=False)
    t.check(agent.frozen, "thawed by an agent that is deaf")
    agent.deaf = False
    wait_until(lambda: not agent.frozen, 60,
               "not thawed without a command and a monitor")
    os.rename(vm.qmp_path + ".away", vm.qmp_path)
    daemon.cli("domain-info", "vm1")
    wait_until(lambda: not daemon.files_left(), 30,
               lambda: f"left: {daemon.files_left()}")
    t.say("a QEMU that is gone")
    both_die(daemon, agent, *JOBS[1])
    vm.kill9()
    daemon.start()
    daemon.cli("domain-info", "vm1", check=False)
    wait_until(lambda: not daemon.files_left(), 30,
               lambda: f"left: {daemon.files_left()}")
    daemon.terminate()


main(test)
