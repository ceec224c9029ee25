#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A begin fails before there is a sink, and QEMU does not answer while that is undone:
nothing is started for a QEMU that knows of no sink, and nothing is left."""

import os
import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.fakeqmp import QmpProxy

BEFORE_STORES = "pace"          # the step
MUTE_S = 1.0                    # after which sinks are looked at


def test(t):
    pause = t.path("pause")
    vm = VM(t, [Disk("vda", "raw", 8 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "p", "hold", switched=True)
    daemon = Daemon(t, env={"PULLBACK_PAUSE": pause})
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    in_the_way = os.path.join(daemon.scratch, "vm1", "vda.data")
    os.makedirs(in_the_way)
    with open(pause, "w") as stream:
        stream.write(BEFORE_STORES)
    said = []
    begin = threading.Thread(target=lambda: said.append(
        daemon.pullback("backup-begin", "vm1", check=False).stderr))
    begin.start()
    wait_until(lambda: os.path.exists(pause + ".paused"), 20, "no pause")
    proxy.hold("query-jobs")
    os.unlink(pause + ".paused")
    wait_until(proxy.holds, 20, "its undo asks QEMU nothing")
    os.rmdir(in_the_way)
    begin.join(4 * MUTE_S)
    proxy.off()
    begin.join()
    t.check("cannot be created in the scratch folder" in said[0], said[0])
    daemon.assert_nothing_left(5)
    daemon.begin("--checkpoint", "mon")
    daemon.commit()
    daemon.terminate()


main(test)
