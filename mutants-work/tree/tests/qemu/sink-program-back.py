#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: waits
"""The sink's plugin is away when the sink is killed, as while a package is
upgraded.  Back after a few seconds: the guest's writes waited, without error,
and the backup goes on.  Not back: the backup is broken and the guest goes on."""

import os
import shutil
import time

from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, start_load,
                          stop_load, wait_until)

AWAY = 4


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def go_on(vm):
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 60, "the guest's writes stopped")


def test(t):
    plugin, aside = t.path("plugin.so"), t.path("aside.so")
    shutil.copy(os.environ["PULLBACK_PLUGIN"], plugin)
    vm = VM(t, [Disk("vda", size=64 * MIB)])
    daemon = Daemon(t, env={"PULLBACK_PLUGIN": plugin})
    daemon.add(vm)
    daemon.begin()
    start_load(t, vm, "rate=100")
    go_on(vm)

    os.rename(plugin, aside)
    kill(daemon.pid_of("sink"))
    away = time.monotonic()
    wait_until(lambda: time.monotonic() > away + AWAY, 2 * AWAY)
    os.rename(aside, plugin)
    go_on(vm)
    t.check(daemon.info()["state"] == "ready", f"{daemon.info()}")
    stop_load(t, vm)

    os.unlink(plugin)
    start_load(t, vm, "rate=100")
    kill(daemon.pid_of("sink"))
    wait_until(lambda: daemon.info()["state"] == "broken", 90,
               lambda: f"the backup is not broken: {daemon.info()}")
    go_on(vm)
    vm.guest("stop")
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
