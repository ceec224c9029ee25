#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody is in the middle of a handshake with QEMU's NBD server when a backup ends.
nbd-server-stop would wait for that client, and QEMU's main loop with it, for ever:
the guest goes on, who aborts is told, and nothing stays once the client has left."""

import socket

from pullbacktest import (MIB, VM, Daemon, Disk, main, nbdcopy, start_load,
                          stop_load)


def silent_client(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(path)
    assert client.recv(8) == b"NBDMAGIC"
    return client


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", 8 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=100")
    daemon.begin()
    client = silent_client(f"{daemon.runtime}/vm1/nbd.sock")
    daemon.refuses("backup-abort", "vm1",
                   saying=("somebody is connected to QEMU's NBD server",
                           "end that connection"))
    t.check(vm.qmp("query-status")["running"], "QEMU does not run")
    client.close()
    daemon.abort()
    backup = daemon.begin()
    nbdcopy(backup["disk"]["vda"]["uri"], t.path("copy"))
    daemon.abort()
    load = stop_load(t, vm)
    t.check(load["errors"] == 0 and load["max-ms"] < 9000, f"{load}")
    daemon.assert_nothing_left()


main(test)
