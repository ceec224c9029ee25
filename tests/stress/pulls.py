#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: check --pulls 20
# mark: check --pulls 12 --break-rule
# mark: stress --pulls 200
# mark: stress --pulls 40 --break-rule
"""Many pulls of a guest that writes as fast as it can: full ones and a chain
of incremental ones, a raw disk read directly and a qcow2 disk relayed by
QEMU, each byte for byte the freeze.

    pulls.py [--pulls N] [--break-rule]

--break-rule (test builds) has the view not look a second time, rule V2; then
the same comparison must find a wrong byte."""

import argparse
import os
import shutil

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, compare, freeze,
                          main, nbdcopy, pull_dirty, same,
                          stop_load)
from pullbacktest.clients import differences, pull_dirty_export

parser = argparse.ArgumentParser()
parser.add_argument("--pulls", type=int, default=24)
parser.add_argument("--break-rule", action="store_true")
options = parser.parse_args()


def new_load(t, vm):
    """Either all over the disk, or hot: small, fast and at one place."""
    for name, disk in vm.disks.items():
        seed = t.random.randrange(1 << 30)
        if options.break_rule or t.random.random() < 0.5:
            span = 8 * MIB if not options.break_rule else disk.size
            base = t.random.randrange((disk.size - span) // 65536 + 1) * 65536
            more = f"max=65536 base={base} span={span} threads=2"
        else:
            more = "threads=2"
        vm.guest(f"load seed={seed} disk={name} {more}")


def nbdcopy_options(t):
    size = t.random.choice((65536, 262144, 1048576, 33554432))
    return [f"--connections={t.random.choice((1, 4))}",
            f"--request-size={size}"]


def direct_works(t):
    """Whether files here can be opened with O_DIRECT (not on a tmpfs)."""
    try:
        os.close(os.open(t.path("probe"), os.O_CREAT | os.O_RDWR
                         | os.O_DIRECT))
    except OSError:
        return False
    return True


class Chain:
    """The copies that a client keeps, and what they are copies of."""

    def __init__(self, t, vm, daemon):
        self.t, self.vm, self.daemon = t, vm, daemon
        self.newest = None
        self.count = self.pulls = 0
        self.totals = {"full": 0, "incremental": 0}

    def step(self):
        """One backup of all disks: one pull each."""
        t = self.t
        full = self.newest is None or t.random.random() < 0.3
        self.count += 1
        name = f"c{self.count}"
        words = ["--checkpoint", name]
        if not full:
            words += ["--incremental", self.newest]
        backup, references = freeze(t, self.vm, self.daemon, *words)
        for disk in backup["disks"]:
            self.pull(disk, full)
            self.pulls += 1
            self.totals[disk["mode"]] += 1
            same(references[disk["name"]], t.path(f"{disk['name']}.copy"),
                 f"pull {self.pulls}, {name}, {disk['name']}, "
                 f"{disk['mode']}, {disk['source']}")
        # Now and then a backup is thrown away: the next one covers it.
        if t.random.random() < 0.2 and self.newest is not None:
            self.daemon.abort()
            for disk in backup["disks"]:
                os.replace(t.path(f"{disk['name']}.before"),
                           t.path(f"{disk['name']}.copy"))
        else:
            self.daemon.commit()
            self.newest = name

    def pull(self, disk, full):
        t, copy = self.t, self.t.path(f"{disk['name']}.copy")
        if os.path.exists(copy):
            shutil.copyfile(copy, t.path(f"{disk['name']}.before"))
        if full:
            if disk["mode"] != "full":
                raise Failed(f"asked for a full backup: {disk}")
            nbdcopy(disk["uri"], copy, *nbdcopy_options(t))
        else:
            if disk["mode"] != "incremental":
                raise Failed(f"not incremental: {disk}")
            way = t.random.choice((pull_dirty, pull_dirty_export))
            way(disk, copy)


def honest(t):
    vm = VM(t, [Disk("vda", "raw", 96 * MIB + 512 * 9),
                Disk("vdb", "qcow2", 96 * MIB),
                Disk("vdc", "raw", 48 * MIB, direct=direct_works(t))])
    daemon = Daemon(t)
    daemon.add(vm)
    chain = Chain(t, vm, daemon)
    ops = 0
    new_load(t, vm)
    while chain.pulls < options.pulls:
        chain.step()
        if t.random.random() < 0.3:
            ops += stop_load(t, vm)["ops"]
            new_load(t, vm)
    ops += stop_load(t, vm)["ops"]
    daemon.assert_nothing_left()
    t.say(f"{chain.pulls} pulls ({chain.totals['full']} full, "
          f"{chain.totals['incremental']} incremental), all as at the "
          f"freeze; the guest did {ops} writes, zero writes and discards")


def broken(t):
    """Without the second look a pull must go wrong: reads that go to the
    disk and are large leave a guest write time to come between.  The gateway
    asks for small pieces, so the view is asked directly."""
    vm = VM(t, [Disk("vda", "raw", 96 * MIB, direct=direct_works(t))])
    daemon = Daemon(t, env={"PULLBACK_BREAK_RULE": "no-second-look"})
    daemon.add(vm)
    for number in range(1, options.pulls + 1):
        new_load(t, vm)
        _, references = freeze(t, vm, daemon, "--pace", "off")
        copy = t.path("copy")
        nbdcopy(f"nbd+unix:///vda?socket={daemon.runtime}/vm1/view.sock", copy,
                "--connections=4", "--request-size=33554432")
        daemon.abort()
        stop_load(t, vm)
        if compare(references["vda"], copy) is not None:
            wrong = differences(references["vda"], copy)
            t.say(f"pull {number}: {len(wrong)} granules are wrong, as they "
                  "must be without the second look")
            return
    raise Failed(f"{options.pulls} pulls without the second look and no "
                 "wrong byte was found: this test could not tell")


main(broken if options.break_rule else honest)
