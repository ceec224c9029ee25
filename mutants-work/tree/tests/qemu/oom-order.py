#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where memory runs out the kernel ends view and gateway first, then sink and
daemon, and QEMU last; so it stays after each of them was started again."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, need, wait_until

WANT = {"view": 1000, "gateway": 1000, "sink": 990}


def score(pid):
    with open(f"/proc/{pid}/oom_score_adj") as stream:
        return int(stream.read())


def check_scores(t, vm, daemon, when):
    scores = {role: score(pid) for role, pid in daemon.processes().items()}
    t.say(f"{when}: {scores}, daemon {score(daemon.pid)}, "
          f"QEMU {score(vm.pid)}")
    t.check(scores == WANT, f"{when}: {scores}, want {WANT}")


def test(t):
    # As a guest of a host where nobody has changed it.
    need(score(os.getpid()) < 900, "this test runs with a score of its own")
    vm = VM(t, [Disk("vda", size=16 * MIB)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin()
    t.check(score(daemon.pid) == 990, f"daemon: {score(daemon.pid)}")
    t.check(score(vm.pid) < 990, "QEMU does not go last")
    check_scores(t, vm, daemon, "at first")
    before = {role: daemon.pid_of(role) for role in WANT}
    for pid in before.values():
        kill(pid)

    def all_again():
        now = daemon.processes()
        return all(now[role] not in (0, before[role]) for role in before)
    wait_until(all_again, 20, "not all were started again")
    check_scores(t, vm, daemon, "after a restart")
    vm.kill9()
    daemon.assert_nothing_left(deadline=30)


main(test)
