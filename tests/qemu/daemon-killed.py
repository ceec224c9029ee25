#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""kill -9 of the daemon in the middle of a backup: the guest goes on, and the
next daemon undoes what is left, also when the sink died with it."""


from pullbacktest import (MIB, VM, Daemon, Disk, alive, kill, main, start_load,
                          stop_load, wait_until)


def recover(t, vm, daemon, with_sink):
    before = vm.state()
    daemon.begin("--checkpoint", "gone", "--incremental", "base")
    sink = daemon.pid_of("sink")
    daemon.kill9()
    if with_sink:
        # Guest writes wait from here until the next daemon has a sink again.
        kill(sink)
        wait_until(lambda: not alive(sink), 10, "the sink does not die")
    daemon.start()
    wait_until(lambda: not daemon.files_left() and not daemon.children(), 40,
               lambda: f"left: {daemon.children()} {daemon.files_left()}")
    vm.assert_clean(before)
    names = str(daemon.cli("checkpoint-list", "vm1"))
    t.check("base" in names and "gone" not in names, f"checkpoints: {names}")
    disks = daemon.begin("--incremental", "base")["disk"]
    for name, disk in disks.items():
        t.check(disk["mode"] == "incremental", f"{name}: {disk}")
    daemon.abort()


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    daemon.begin("--checkpoint", "base")
    daemon.commit()
    start_load(t, vm, "rate=100")
    for with_sink in (False, True):
        t.say(f"sink killed too: {with_sink}")
        recover(t, vm, daemon, with_sink)
    t.say(f"guest: {stop_load(t, vm)}")
    daemon.assert_nothing_left()


main(test)
