#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
# mark: waits
"""Daemon and sink killed together while the guest writes: the writes wait for
as long as --sink-wait says, and the daemon that comes back serves them before
it does anything else, also while QEMU cannot be asked, or waits itself for its
disks.  The backup goes on."""

import json
import socket
import time

from pullbacktest import (MIB, VM, Daemon, Disk, alive, kill, main, start_load,
                          stop_load, wait_until)

SHORT = 3
# QEMU's NBD client tries to connect again after 1, 2, 4 ... 16 s.
RECONNECT = 45


def writes(vm):
    return sum(d["stats"]["wr_operations"] for d in vm.qmp("query-blockstats"))


def kill_both(t, vm, daemon):
    daemon.begin()
    start_load(t, vm, "rate=200")
    seen = writes(vm)
    wait_until(lambda: writes(vm) > seen + 20, 20, "the guest does not write")
    sink = daemon.pid_of("sink")
    daemon.kill9()
    kill(sink)
    wait_until(lambda: not alive(sink), 10, "the sink does not die")

    def stalled():
        seen = writes(vm)
        time.sleep(0.3)
        return writes(vm) == seen
    wait_until(stalled, 20, "the guest's writes go on without a sink")


def goes_on(t, vm, daemon):
    """To its end: the daemon has QEMU's monitor again."""
    info = daemon.info()
    t.check(info["state"] == "ready" and info["adopted"] == 1, f"{info}")
    wait_until(lambda: daemon.pullback("backup-abort", "vm1", check=False)
               .returncode == 0, RECONNECT, "it cannot be aborted")
    daemon.assert_nothing_left()


def the_limit_counts(t, vm, daemon):
    kill_both(t, vm, daemon)
    wait_until(lambda: vm.guest("errors")["errors"] > 0, SHORT + 30,
               f"no error, though the limit is {SHORT} s")
    daemon.more = []
    daemon.start()
    goes_on(t, vm, daemon)
    vm.guest("stop")
    vm.quit()
    vm.start()


def wait_longer(since):
    """Longer than the limit that failed above."""
    wait_until(lambda: time.monotonic() > since + 2 * SHORT, 4 * SHORT)


def while_the_monitor_is_taken(t, vm, daemon):
    """The daemon cannot ask QEMU, and serves its writes all the same."""
    kill_both(t, vm, daemon)
    since, seen = time.monotonic(), writes(vm)
    wait_longer(since)
    taken = socket.socket(socket.AF_UNIX)
    taken.connect(vm.qmp_path)
    daemon.start()
    wait_until(lambda: writes(vm) > seen + 20, RECONNECT,
               "the guest's writes do not go on")
    daemon.refuses("backup-commit", "vm1", saying=["vm1"])
    stop_load(t, vm)
    taken.close()
    goes_on(t, vm, daemon)


def while_qemu_waits(t, vm, daemon):
    """QEMU waits for its disks and answers nobody until there is a sink."""
    kill_both(t, vm, daemon)
    since = time.monotonic()
    vm.qmp.socket.sendall(json.dumps({"execute": "stop"}).encode() + b"\n")
    wait_longer(since)
    daemon.start()
    vm.qmp.socket.settimeout(RECONNECT)
    while "return" not in vm.qmp._receive():
        pass
    vm.qmp("cont")
    stop_load(t, vm)
    goes_on(t, vm, daemon)


def test(t):
    vm = VM(t, [Disk("vda", size=64 * MIB)])
    daemon = Daemon(t, more=["--sink-wait", str(SHORT)])
    daemon.add(vm)
    the_limit_counts(t, vm, daemon)
    while_the_monitor_is_taken(t, vm, daemon)
    while_qemu_waits(t, vm, daemon)
    daemon.assert_nothing_left()


main(test)
