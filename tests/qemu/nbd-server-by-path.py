#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A monitor behind a proxy, which carries no descriptors: QEMU makes the socket of its
NBD server itself, and backups are as they are elsewhere."""

import os

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, kill, main, nbdcopy,
                          pull_dirty, same)
from pullbacktest.fakeqmp import QmpProxy


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)], boot=False)
    before = vm.state()
    proxy = QmpProxy(t, vm, "proxy", "pass")
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    path = f"{daemon.runtime}/vm1/qemu/nbd.sock"
    t.check(os.path.exists(path) and
            not os.path.exists(f"{daemon.runtime}/vm1/nbd.sock"),
            "QEMU has not made its socket")
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "vda")
    # The next daemon's view is told of the same one.
    daemon.kill9()
    daemon.start()
    view = daemon.pid_of("view")
    kill(view)
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    same(references["vda"], t.path("copy"), "vda by the next view")
    daemon.commit()
    t.check(not vm.nbd_server_runs(), "the server runs on")
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               "\"write -P 7 1M 1M\"")
    backup, references = freeze(t, vm, daemon, "--incremental", "mon")
    pull_dirty(backup["disk"]["vda"], t.path("copy"))
    same(references["vda"], t.path("copy"), "the incremental")
    daemon.abort()
    daemon.cli("checkpoint-delete", "vm1", "mon")
    vm.assert_clean(before)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
