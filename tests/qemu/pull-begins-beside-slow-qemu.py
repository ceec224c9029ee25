#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""QEMU's first answer is enough to know that a guest is idle, and so are answers that
take their time: a pull that begins is not limited."""

import time

from pullbacktest import MIB, VM, Daemon, Disk, main
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.outcome import wait_until
from pullbacktest.pacefile import slot_limits

UNLIMITED = [(1 << 64) - 1]


def first_answer(daemon, proxy):
    """Of a begin's one question and pacing's, pacing's second is not passed on."""
    proxy.hold("query-blockstats", 3)
    daemon.begin()
    wait_until(lambda: slot_limits(daemon.pace_file()) == UNLIMITED, 10,
               "after one answer it is limited")
    proxy.off()
    daemon.abort()


def slow_answers(t, daemon):
    daemon.begin()
    wait_until(lambda: slot_limits(daemon.pace_file()) == UNLIMITED, 10,
               "it is limited")
    end, free, looks = time.monotonic() + 4, 0, 0
    while time.monotonic() < end:
        free += slot_limits(daemon.pace_file()) == UNLIMITED
        looks += 1
        time.sleep(0.01)
    t.say(f"not limited in {free} of {looks} looks")
    t.check(free >= 0.8 * looks, "it is limited again and again")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "hold", "hold", switched=True)
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    first_answer(daemon, proxy)
    daemon.terminate()
    proxy.kill()
    proxy = QmpProxy(t, vm, "slow", "delay=query-blockstats,0.02")
    daemon = Daemon(t, name="slow")
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    slow_answers(t, daemon)
    daemon.terminate()


main(test)
