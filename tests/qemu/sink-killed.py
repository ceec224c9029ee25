#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: sanitizers
# mark: faults
"""The sink ends under guest load, by signals that kill and by those that ask:
the guest sees no I/O error and the pull is still byte for byte that of the
freeze."""

import signal


from pullbacktest import (MIB, VM, Daemon, Disk, freeze, kill, main, nbdcopy,
                          same, start_load, stop_load, wait_until)


def kill_sink(daemon, old, number):
    """Ends the sink; the pid of the next one."""
    kill(old, number)

    def restarted():
        now = daemon.pid_of("sink")
        return now if now and now != old else None
    return wait_until(restarted, 10, "the sink was not restarted")


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def test(t):
    vm = VM(t, [Disk("vda", "raw", 128 * MIB),
                Disk("vdb", "qcow2", 128 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=300 max=131072")
    backup, references = freeze(t, vm, daemon)
    sink = daemon.pid_of("sink")
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP,
                   signal.SIGINT, signal.SIGKILL):
        seen = writes(vm)
        sink = kill_sink(daemon, sink, number)
        wait_until(lambda: writes(vm) > seen + 20, 20,
                   "the guest's writes stopped")
    t.check(daemon.info()["state"] == "ready", f"state: {daemon.info()}")
    for name, disk in backup["disk"].items():
        nbdcopy(disk["uri"], t.path("pull"), "--connections=4")
        same(references[name], t.path("pull"), f"{name} after five kills")
    daemon.commit()
    stats = stop_load(t, vm)
    t.say(f"guest: {stats}")
    daemon.assert_nothing_left()


main(test)
