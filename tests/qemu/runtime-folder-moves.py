#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The daemon that comes back has another runtime folder, or the old one was
removed meanwhile, while QEMU is connected to the sink that survived: the backup
is undone, the guest sees no I/O error, and nothing is left."""

import os
import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, start_load,
                          stop_load, wait_until)


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def die(t, vm, daemon, sink_too):
    daemon.begin("--checkpoint", "c")
    start_load(t, vm, "rate=200")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 20, "the guest does not write")
    sink = daemon.pid_of("sink")
    daemon.kill9()
    if sink_too:
        kill(sink)


def come_back(t, vm, daemon, old):
    daemon.start()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 60,
               lambda: f"left: {daemon.children()} {daemon.files_left()}")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 30, "the guest's writes stopped")
    t.say(f"guest: {stop_load(t, vm)}")
    # What all backups share stays.
    left = [os.path.join(f, n) for f, _, ns in os.walk(old) for n in ns
            if os.path.basename(f) != ".pace"]
    t.check(not left, f"left in the old runtime folder: {left}")
    t.check(not vm.qmp("query-jobs"), "the job is left")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    for n, sink_too in enumerate((False, True)):
        die(t, vm, daemon, sink_too)
        old, daemon.runtime = daemon.runtime, t.path(f"other{n}")
        os.mkdir(daemon.runtime)
        come_back(t, vm, daemon, old)
    die(t, vm, daemon, False)
    shutil.rmtree(daemon.runtime)
    os.mkdir(daemon.runtime)
    come_back(t, vm, daemon, daemon.runtime)


main(test)
