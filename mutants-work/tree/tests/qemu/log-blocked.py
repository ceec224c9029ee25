#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nobody reads the daemon's standard error, a pipe that is full: a killed sink
is started again, a full store breaks the backup, and the guest's writes wait
for neither message; begin and abort go on working."""


from pullbacktest import (MIB, VM, Daemon, Disk, kill, main, start_load,
                          stop_load, wait_until)
from pullbacktest.obstacles import full_pipe, small_store


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def test(t):
    folder = small_store(t)
    vm = VM(t, [Disk("vda", "raw", 64 * MIB)])
    daemon = Daemon(t, scratch=folder, stderr=full_pipe(t))
    daemon.add(vm)
    vm.guest(f"write vda 0 {64 * MIB} 17")

    daemon.begin()
    sink = daemon.pid_of("sink")
    vm.guest(f"write vda 0 {MIB} 18")
    kill(sink)
    vm.guest(f"write vda {MIB} {MIB} 18")
    wait_until(lambda: daemon.processes()["sink"] not in (0, sink), 10,
               "the sink was not restarted")
    t.check(daemon.info()["state"] == "ready", f"{daemon.info()}")
    start_load(t, vm)
    wait_until(lambda: daemon.info()["state"] == "broken", 30,
               lambda: f"the backup is not broken: {daemon.info()}")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 20, "the guest's writes stopped")
    daemon.abort()
    t.say(f"guest: {stop_load(t, vm)}")
    daemon.begin()
    daemon.abort()
    daemon.assert_nothing_left()


main(test)
