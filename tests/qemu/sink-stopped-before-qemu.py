#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""A sink that is stopped before QEMU has connected to it: QEMU, which does nothing
else while it connects, gives up soon, and backup-begin is refused."""

import os
import signal
import time

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, wait_until


def test(t):
    vm = VM(t, [Disk("vda", "raw", 16 * MIB)], boot=False)
    pause = t.path("pause")
    daemon = Daemon(t, env={"PULLBACK_PAUSE": pause})
    daemon.add(vm)
    before = vm.state()
    with open(pause, "w") as stream:
        stream.write("sink")
    begin = t.start("pullback", "--socket", daemon.socket, "backup-begin",
                    "vm1", stderr=open(t.path("said"), "w"))
    wait_until(lambda: os.path.exists(pause + ".paused"), 20,
               "the step is not reached")
    sinks = [pid for pid, command in daemon.children() if "role=sink" in command]
    t.check(len(sinks) == 1, f"sinks: {sinks}")
    kill(sinks[0], signal.SIGSTOP)
    os.unlink(pause + ".paused")
    worst = 0
    while begin.poll() is None:
        start = time.monotonic()
        vm.qmp("query-status")
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.01)
    t.check(1 < worst < 4, f"QEMU did not answer for {worst:.1f} s")
    with open(t.path("said")) as stream:
        said = stream.read()
    t.check("Connection attempt cancelled by timeout" in said, said)
    vm.assert_clean(before)
    daemon.assert_nothing_left()


main(test)
