#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The room of a broken backup is given back whoever fails meanwhile: QEMU, which
does not end its job, so that the sink must go on to answer; or the daemon, which is
killed in the midst of letting go of QEMU, or before it sees that it is broken."""

import os
import resource
import signal

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until
from pullbacktest.fakeqmp import QmpProxy
from pullbacktest.fleece import read_figures, read_map
from pullbacktest.liststeps import listed_steps

LIMIT = 1 * MIB
NAMES = ("vda", "vdb")
# Where it is in the midst of that.
POINTS = ("undo-export", "undo-freeze", "undo-sink")


def taken(daemon):
    return sum(os.stat(f"{daemon.scratch}/vm1/{name}.data").st_blocks
               for name in NAMES) * 512


def scratch_of(daemon):
    return daemon.info()["scratch"]


def wait_room(t, daemon):
    wait_until(lambda: daemon.info()["state"] == "broken", 60,
               lambda: f"the backup is not broken: {daemon.info()}")
    wait_until(lambda: taken(daemon) == 0, 10,
               lambda: f"{taken(daemon)} bytes are taken: "
                       f"{daemon.log_text()[-2000:]}")
    wait_until(lambda: scratch_of(daemon)["host-used"] == 0, 10,
               lambda: f"{scratch_of(daemon)}")
    for name in NAMES:
        size = os.stat(f"{daemon.scratch}/vm1/{name}.data").st_size
        t.check(size == 32 * MIB, f"{name}.data has {size} bytes")


def break_it(vm):
    """The guest sees nothing of it: an error would end this."""
    for name in NAMES:
        vm.guest(f"write {name} 0 {2 * MIB} 21")


def qemu_keeps_its_job(t, vm, daemon, proxy):
    """The guest's writes need the sink for as long as that lasts."""
    daemon.begin("--scratch-limit", str(LIMIT))
    proxy.on()
    break_it(vm)
    wait_room(t, daemon)
    jobs = [job["type"] for job in vm.qmp("query-jobs")]
    t.check(jobs == ["backup", "backup"], f"QEMU has {jobs}")
    writes = scratch_of(daemon)["writes"]
    for name in NAMES:
        vm.guest(f"write {name} {16 * MIB} {4 * MIB} 22")
    wait_until(lambda: scratch_of(daemon)["writes"] > writes, 10,
               lambda: f"no guest write came to the sink: {scratch_of(daemon)}")
    t.check(taken(daemon) == 0 and scratch_of(daemon)["used"] == 0,
            f"{taken(daemon)} bytes taken: {scratch_of(daemon)}")
    proxy.off()
    wait_until(lambda: daemon.cli("backup-abort", "vm1",
                                  check=False).returncode == 0, 30,
               "it cannot be aborted")


def daemon_dies(t, vm, daemon, point):
    """The next one finds it broken."""
    daemon.leave()
    daemon.env["PULLBACK_STOP_AFTER"] = point
    daemon.start()
    daemon.begin("--scratch-limit", str(LIMIT))
    break_it(vm)
    status = daemon.process.wait(timeout=60)
    need(status == -signal.SIGABRT, f"the daemon ended with {status}")
    del daemon.env["PULLBACK_STOP_AFTER"]
    daemon.start()
    wait_room(t, daemon)
    daemon.abort()


def daemon_is_dead(t, vm, daemon):
    """And the one that breaks it is the sink alone."""
    maps = f"{daemon.runtime}/.maps/vm1"
    daemon.begin("--scratch-limit", str(LIMIT))
    daemon.kill9()
    break_it(vm)
    wait_until(lambda: any(read_map(f"{maps}/{name}.present")[1]
                           for name in NAMES), 60, "the sink goes on storing")
    t.check(read_figures(maps)[0] > 0 and taken(daemon) > 0,
            "nothing was stored")
    daemon.start()
    wait_room(t, daemon)
    daemon.abort()


def test(t):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    steps = [step for _, step in listed_steps()]
    need(set(POINTS) <= set(steps), f"no such steps: {POINTS}")
    vm = VM(t, [Disk(name, "raw", 32 * MIB) for name in NAMES])
    proxy = QmpProxy(t, vm, "p", "refuse=job-cancel", switched=True)
    daemon = Daemon(t, more=["--scratch-limit", "1G"])
    daemon.cli("domain-add", "vm1", "--qmp", proxy.path)
    for name in NAMES:
        vm.guest(f"write {name} 0 {32 * MIB} 17")
    qemu_keeps_its_job(t, vm, daemon, proxy)
    daemon.assert_nothing_left()
    daemon_is_dead(t, vm, daemon)
    for point in POINTS:
        daemon_dies(t, vm, daemon, point)
        daemon.assert_nothing_left(20)
    t.check(vm.guest("errors")["errors"] == 0, "the guest saw I/O errors")


main(test)
