#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One QEMU that is registered twice, at two monitors: by one daemon under two
names, and by two daemons.  Backups of different disks run beside each other;
whatever fails, is aborted or dies on one side, the other keeps its job, its
point in time and its chain."""

import os
import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, nbdcopy,
                          pull_dirty, run, same, wait_until)
from pullbacktest.fakeqmp import QmpProxy

SIZE = 8 * MIB
RAW = ("vda", "vdc")


class Side:
    """One of the two registrations."""

    def __init__(self, daemon, name, qmp):
        self.daemon, self.name, self.qmp = daemon, name, qmp
        daemon.cli("domain-add", name, "--qmp", qmp)

    def begin(self, disk, *words):
        return self.daemon.begin("--disk", disk, *words,
                                 name=self.name)["disk"][disk]

    def refuses(self, disk, *words, saying):
        return self.daemon.refuses("backup-begin", self.name, "--disk", disk,
                                   *words, saying=saying)

    def abort(self):
        self.daemon.abort(self.name)

    def commit(self):
        self.daemon.commit(self.name)

    def ready(self):
        return self.daemon.info(self.name)["state"] == "ready"


class Bench:
    def __init__(self, t, two_daemons):
        self.t, self.count = t, 0
        second = t.path(f"second{two_daemons}")
        self.vm = VM(t, [Disk("vda", "raw", SIZE), Disk("vdb", "qcow2", SIZE),
                         Disk("vdc", "raw", SIZE), Disk("vdd", "qcow2", SIZE)],
                     boot=False,
                     more=["-qmp", f"unix:{second},server=on,wait=off"])
        one = Daemon(t, name=f"a{two_daemons}")
        two = Daemon(t, name=f"b{two_daemons}") if two_daemons else one
        self.sides = [Side(one, "one", self.vm.qmp_path),
                      Side(two, "two", second)]
        for disk in self.vm.disks:
            self.write(disk)

    def io(self, disk, command):
        said = self.vm.qmp.hmp("qemu-io -d /machine/peripheral/"
                               f"{disk}/virtio-backend \"{command}\"")
        need(not said.strip(), f"qemu-io: {said}")

    def write(self, disk):
        """Some granules get new bytes, as by the guest."""
        for _ in range(3):
            self.count += 1
            at = self.t.random.randrange(SIZE // 65536) * 65536
            self.io(disk, f"write -P {self.count % 255 + 1} {at} 4096")

    def reference(self, disk):
        """The disk of now."""
        self.io(disk, "flush")
        return self.vm.reference_copy(disk, self.t.path(f"{disk}.ref"))

    def pulls(self, backup, reference, what):
        path = self.t.path("pull")
        nbdcopy(backup["uri"], path)
        same(reference, path, what)
        os.unlink(path)


def unharmed(bench, side, backup, reference, what):
    """SIDE's backup runs, and shows its point in time, not what came after."""
    bench.write(backup["name"])
    bench.t.check(side.ready(), f"{what}: {side.daemon.info(side.name)}")
    bench.pulls(backup, reference, what)


def beside_each_other(bench, one, two):
    """Different disks: both run, and each end touches its own."""
    t, before = bench.t, bench.vm.state()
    for end in (two.abort, two.commit):
        reference = bench.reference("vda")
        other = bench.reference("vdc")
        first = one.begin("vda")
        second = two.begin("vdc")
        for disk in RAW:
            bench.write(disk)
        unharmed(bench, two, second, other, "the second")
        end()
        unharmed(bench, one, first, reference, "after the second's end")
        one.abort()
        bench.vm.assert_clean(before)
    t.say("    different disks: good")


def the_same_disk(bench, one, two):
    before = bench.vm.state()
    reference = bench.reference("vda")
    first = one.begin("vda", "--checkpoint", "mine")
    # QEMU lists the one's own job, too: what is there must stay.
    running = [job["id"] for job in bench.vm.qmp("query-jobs")]
    for words in ((), ("--checkpoint", "mine"), ("--checkpoint", "other")):
        two.refuses("vda", *words, saying=("vda", "another backup"))
        have = [job["id"] for job in bench.vm.qmp("query-jobs")]
        bench.t.check(have == running, f"jobs: {have}, were {running}")
        unharmed(bench, one, first, reference, "after the second's refusal")
    one.abort()
    bench.vm.assert_clean(before)


def one_nbd_server(bench, one, two):
    """qcow2 is read through QEMU's NBD server, and there is one."""
    before = bench.vm.state()
    reference = bench.reference("vdb")
    first = one.begin("vdb")
    two.refuses("vdd", saying=("NBD server", "another backup"))
    unharmed(bench, one, first, reference, "after the second's refusal")
    one.abort()
    two.begin("vdd")
    two.abort()
    bench.vm.assert_clean(before)


def two_chains(bench, one, two):
    """Both have checkpoints of one disk: each gets all its changes."""
    t, before = bench.t, bench.vm.state()
    copies = {}
    for side, name in ((one, "mon"), (two, "tue")):
        copies[side] = t.path(f"copy-{side.name}")
        disk = side.begin("vda", "--checkpoint", name)
        nbdcopy(disk["uri"], copies[side])
        side.commit()
        bench.write("vda")
    two.refuses("vda", "--checkpoint", "mon", saying=("vda", "mon"))
    # An abort merges back, into one's own.
    two.begin("vda", "--checkpoint", "wed", "--incremental", "tue")
    bench.write("vda")
    two.abort()
    for side, name in ((one, "mon"), (two, "tue")):
        reference = bench.reference("vda")
        disk = side.begin("vda", "--incremental", name)
        t.check(disk["mode"] == "incremental", f"{side.name}: {disk}")
        bench.write("vda")
        pull_dirty(disk, copies[side])
        same(reference, copies[side], f"the chain of {side.name}")
        side.abort()
    one.daemon.cli("checkpoint-delete", one.name, "mon")
    disk = two.begin("vda", "--incremental", "tue")
    t.check(disk["mode"] == "incremental", f"after the deletion: {disk}")
    two.abort()
    two.daemon.cli("checkpoint-delete", two.name, "tue")
    bench.vm.assert_clean(before)


def at_the_same_time(bench, one, two):
    """The second has looked at the disk before the first takes it: what QEMU
    then refuses must not undo the first's checkpoint of that name."""
    t, before = bench.t, bench.vm.state()
    proxy = QmpProxy(t, bench.vm, "slow", "hold", switched=True, real=two.qmp)
    # Not before the daemon has left that monitor as the other domain.
    wait_until(lambda: two.daemon.cli("domain-add", "slow", "--qmp", proxy.path,
                                      check=False).returncode == 0, 60,
               "the monitor stays taken")
    proxy.hold("transaction")
    late = subprocess.Popen(
        ["pullback", "--socket", two.daemon.socket, "backup-begin", "slow",
         "--disk", "vda", "--checkpoint", "same"], stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    t.defer(late.stderr.close)
    t.defer(late.wait)
    wait_until(proxy.holds, 20, "the second does not come to its freeze")
    reference = bench.reference("vda")
    first = one.begin("vda", "--checkpoint", "same")
    proxy.off()
    said = late.communicate(timeout=60)[1]
    t.check(late.returncode != 0 and "another backup" in said,
            f"the second said: {said}")
    unharmed(bench, one, first, reference, "after the race")
    one.commit()
    have = two.daemon.cli("checkpoint-list", "slow")["checkpoints"]
    t.check(have == [], f"refused, but there: {have}")
    two.daemon.cli("domain-remove", "slow")
    proxy.kill()
    bench.vm.assert_clean(before, {"node-vda": [("same", True)]})
    one.daemon.cli("checkpoint-delete", one.name, "same")


def killed_and_recovered(bench, one, two):
    """The second daemon is killed; the next one goes on with its own."""
    before = bench.vm.state()
    reference = bench.reference("vda")
    first = one.begin("vda", "--checkpoint", "mine")
    two.begin("vdc", "--checkpoint", "gone")
    two.daemon.kill9()
    two.daemon.start()
    two.abort()
    unharmed(bench, one, first, reference, "after the second's recovery")
    one.commit()
    bench.vm.assert_clean(before, {"node-vda": [("mine", True)]})
    one.daemon.cli("checkpoint-delete", one.name, "mine")


def test(t):
    for two_daemons in (0, 1):
        t.say("two daemons" if two_daemons else "one daemon, two names")
        bench = Bench(t, two_daemons)
        for one, two in (bench.sides, bench.sides[::-1]):
            beside_each_other(bench, one, two)
            the_same_disk(bench, one, two)
            one_nbd_server(bench, one, two)
            two_chains(bench, one, two)
            if two_daemons:
                killed_and_recovered(bench, one, two)
        if not two_daemons:
            at_the_same_time(bench, *bench.sides)
        for daemon in {side.daemon for side in bench.sides}:
            daemon.terminate()
            daemon.assert_nothing_left()
        bench.vm.quit()


main(test)
