#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU has one NBD server: a backup that need not read through it gives it back
before it is ready, and nobody else's is taken away."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run

EXPORT = {"type": "nbd", "id": "theirs", "node-name": "node-vda",
          "name": "theirs"}


def start_theirs(t, vm):
    path = t.path("theirs")
    vm.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": path}})
    vm.qmp("block-export-add", EXPORT)
    return f"nbd+unix:///theirs?socket={path}"


def test(t):
    vm = VM(t, [Disk("vda", "raw", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "mon")
    t.check(vm.nbd_server_runs(), "qcow2 is read without the NBD server")
    daemon.commit()
    t.check(not vm.nbd_server_runs(), "held after the commit")
    for words in ((), ("--incremental", "mon")):
        daemon.begin("--disk", "vda", *words)
        t.check(not vm.nbd_server_runs(), f"held though ready: {words}")
        uri = start_theirs(t, vm)
        daemon.abort()
        run("nbdinfo", uri)
        # In use by others: only what does without it.
        before = vm.qmp("query-block-exports")
        daemon.begin("--disk", "vda")
        daemon.commit()
        for more in (("--disk", "vda", "--incremental", "mon"),
                     ("--disk", "vdb")):
            daemon.refuses("backup-begin", "vm1", *more,
                           saying=("NBD server", "theirs"))
        t.check(vm.qmp("query-block-exports") == before, "exports changed")
        run("nbdinfo", uri)
        vm.qmp("nbd-server-stop")
    daemon.terminate()


main(test)
