#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A begin fails before there is a sink, and QEMU does not answer while that is undone:
nothing is started for a QEMU that knows of no sink, and nothing is left."""

import os
import threading

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until
from pullbacktest.fakeqmp import QmpProxy

MUTE_S = 1.0                    # after which sinks are looked at


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB)], boot=False)
    proxy = QmpProxy(t, vm, "p", "hold", switched=True)
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    in_the_way = os.path.join(daemon.scratch, "vm1", "vda.data")
    os.makedirs(in_the_way)
    proxy.hold("query-jobs")
    said = []
    begin = threading.Thread(target=lambda: said.append(
        daemon.pullback("backup-begin", "vm1", check=False).stderr))
    begin.start()
    wait_until(proxy.holds, 20)
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
