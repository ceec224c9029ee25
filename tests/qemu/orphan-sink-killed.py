#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: waits
"""A sink that outlived its daemon, which died in the midst of a begin, is killed
while the next daemon cannot ask QEMU yet: another one is started, and the guest's
writes go on without errors."""

import socket

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, start_load,
                          stop_load, wait_until)

# Looked at every 10 s; QEMU tries to connect after 1, 2, 4 ... 16 s.
GO_ON = 60


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def said(daemon, words):
    with open(daemon.log_path) as log:
        return words in log.read()


def test(t):
    vm = VM(t, [Disk("vda", size=64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = "note-freeze"
    daemon.start()
    start_load(t, vm, "rate=100")
    daemon.cli("backup-begin", "vm1", check=False)
    daemon.process.wait(timeout=60)
    del daemon.env["PULLBACK_STOP_AFTER"]
    sink = next(pid for pid, words in daemon.children() if "role=sink" in words)
    taken = socket.socket(socket.AF_UNIX)
    taken.connect(vm.qmp_path)
    daemon.start()
    wait_until(lambda: said(daemon, "is kept until QEMU can be asked"), 30,
               "QEMU could be asked")
    kill(sink)
    wait_until(lambda: any("role=sink" in words and pid != sink
                           for pid, words in daemon.children()), GO_ON,
               "nobody starts another sink")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, GO_ON,
               "the guest's writes do not go on")
    t.check(daemon.files_left(), "the backup was undone without QEMU")
    stop_load(t, vm)
    taken.close()
    daemon.assert_nothing_left(GO_ON)


main(test)
