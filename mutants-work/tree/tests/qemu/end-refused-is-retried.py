#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""When QEMU does not end its jobs, the backup is kept and its sink goes on,
because guest writes need it; a later abort or daemon ends it."""

from pullbacktest import (MIB, VM, Daemon, Disk, alive, main, start_load,
                          stop_load, wait_until)
from pullbacktest.fakeqmp import QmpProxy


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB)])
    before = vm.state()
    proxy = QmpProxy(t, vm, "p", "refuse=job-cancel")
    daemon = Daemon(t)
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    start_load(t, vm, "rate=100")
    daemon.begin()
    sink = daemon.pid_of("sink")
    for _ in range(2):
        daemon.refuses("backup-abort", "vm1", saying=["abort it again"])
        t.check(alive(sink), "the sink was ended under QEMU's job")
    t.check(daemon.info()["state"] == "broken", f"{daemon.info()}")
    daemon.terminate(status=3)
    t.check(alive(sink), "the sink ended with the daemon")
    proxy.kill()
    proxy.start("pass")
    daemon.start()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 40,
               lambda: f"left: {daemon.children()} {daemon.files_left()}")
    t.say(f"guest: {stop_load(t, vm)}")
    vm.assert_clean(before)


main(test)
