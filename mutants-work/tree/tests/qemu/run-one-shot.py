#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""pullback run: one backup with no daemon set up.  The command gets a URI per
disk; its exit status decides; nothing stays behind."""

import os

from pullbacktest import (MIB, VM, Disk, compare, main, need, run, same,
                          start_load, stop_load)
from pullbacktest.processes import descendants


def one_shot(t, vm, command):
    return run("pullback", "run", "--qmp", vm.qmp_path, "--run", command,
               check=False, env=dict(os.environ, OUT=t.folder))


def nothing_left(t, vm, before):
    vm.assert_clean(before)
    left = [pid for pid in descendants(os.getpid()) if pid != vm.pid]
    t.check(not left, f"processes left: {left}")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 32 * MIB), Disk("vdb", "qcow2", 32 * MIB)])
    before = vm.state()
    for name in vm.disks:
        vm.guest(f"write {name} 4096 {MIB} 7")
    # Nobody writes, so the disks stay what the reference is.
    vm.pause()
    for name in vm.disks:
        vm.reference_copy(name, t.path(f"{name}.ref"))
    vm.resume()
    done = one_shot(t, vm, 'nbdcopy "$uri_vda" "$OUT/vda.copy" && '
                    'nbdcopy "$uri_vdb" "$OUT/vdb.copy"')
    need(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
    for name in vm.disks:
        same(t.path(f"{name}.ref"), t.path(f"{name}.copy"), name)
    nothing_left(t, vm, before)

    start_load(t, vm, "rate=100")
    done = one_shot(t, vm, 'nbdcopy "$uri_vda" "$OUT/1" && '
                    'nbdcopy "$uri_vda" "$OUT/2" && exit 7')
    t.check(done.returncode != 0, "the command failed, run did not")
    t.check(compare(t.path("1"), t.path("2")) is None,
            "two pulls of one freeze differ")
    nothing_left(t, vm, before)
    stop_load(t, vm)

    done = run("pullback", "run", "--qmp", t.path("nosuch"), "--run", "true",
               check=False)
    t.check(done.returncode != 0 and "nosuch" in done.stderr
            and len(done.stderr.strip().splitlines()) == 1,
            f"no such VM: {done.returncode} {done.stderr!r}")


main(test)
