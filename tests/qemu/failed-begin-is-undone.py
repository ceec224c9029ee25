#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU does not say which bitmaps a begin has left in it: that begin fails.  As the undo is
refused for the same reason, it is done when QEMU says so again, and nobody asks for it."""

import os

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.liststeps import in_haste


def begin_without_answers(t, daemon, proxy, pause):
    """Its exit status."""
    with open(pause, "w") as stream:
        stream.write("import")
    client = t.start("pullback", "--socket", daemon.socket, "backup-begin",
                     "vm1", "--incremental", "mon")
    wait_until(lambda: os.path.exists(pause + ".paused"), 40, "no pause")
    proxy.on()
    os.unlink(pause + ".paused")
    return client.wait(timeout=60)


def test(t):
    pause = t.path("pause")
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "deaf", "refuse=query-named-block-nodes",
                     switched=True)
    daemon = Daemon(t, env={"PULLBACK_PAUSE": pause, **in_haste(4)})
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    before = vm.state()

    t.check(begin_without_answers(t, daemon, proxy, pause) != 0,
            "a begin that cannot see its bitmaps")
    daemon.refuses("backup-begin", "vm1", saying=["begin has failed"])
    proxy.off()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 60,
               lambda: f"left: {daemon.files_left()} {daemon.children()}")
    vm.assert_clean(before)
    need(daemon.begin("--incremental", "mon")["disk"]["vda"]["mode"] ==
         "incremental", "the next one is full")
    daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
