#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: slow
# mark: faults steps
"""A virtual machine that has not run is started amid the restore of its disks, or its QEMU ends, or
the daemon: the guest sees nothing of what clients write, what is half restored is marked and
listed, and in the end nothing of the restore is in QEMU.  An incremental backup afterwards
is right.  With the word steps the daemon dies after each step."""

import os
import signal
import sys

from pullbacktest import (MIB, VM, Daemon, Disk, compare, freeze, main,
                          nbdcopy, need, pull_dirty, run, same, wait_until)
from pullbacktest.liststeps import listed_steps
from pullbacktest.restore import MARK, restore_begin, restores, write_random

SIZE = 4 * MIB
SYNCED = ("restore-note-commit", "restore-note-restored", "restore-give-back",
          "restore-publish", "restore-unmark", "restore-forget")


class Bench:
    def __init__(self, t):
        self.t = t
        self.daemon = Daemon(t)
        self.source = write_random(t, t.path("source"), SIZE)
        self.disk = Disk("vda", "qcow2", SIZE)
        self.vm = VM(t, [self.disk], boot=False, reboots=True)
        self.daemon.add(self.vm)
        self.before = self.vm.state()

    def begin(self, writes):
        reply = restore_begin(self.daemon, "vm1")
        if writes:
            run("nbdcopy", self.source, reply["uri"]["vda"])

    def is_half(self, what, half):
        marked = os.path.exists(self.disk.path + MARK)
        self.t.check(restores(self.daemon) == ({"vm1": "half"} if half
                                               else {}) and marked == half,
                     f"{what}: {restores(self.daemon)}, marked: {marked}")

    def in_qemu(self, what):
        self.t.check(self.vm.state() == self.before,
                     f"{what}: {self.vm.state()}, was {self.before}")

    def forget(self):
        if restores(self.daemon):
            self.daemon.cli("restore-abort", "vm1", "--forget")

    def reset(self):
        self.vm.pause()
        self.vm.qmp("system_reset")
        wait_until(lambda: self.vm.qmp("query-status")["status"] ==
                   "prelaunch", message="it is not reset")


def wait_broken(bench):
    wait_until(lambda: restores(bench.daemon) == {"vm1": "broken"},
               message="it is not broken")


def started(t, bench):
    for writes in True, False:
        bench.begin(writes)
        bench.vm.resume()
        wait_broken(bench)
        bench.vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
                         "\"read 0 64k\"")
        with open(bench.vm.log_path) as log:
            t.check("read failed" in log.read(), "the guest can read")
        bench.daemon.refuses("restore-commit", "vm1", saying=("cont",))
        bench.daemon.cli("restore-abort", "vm1")
        bench.in_qemu("started")
        bench.is_half("started", writes)
        bench.vm.pause()
        bench.daemon.refuses("restore-begin", "vm1", saying=("has run",))
        bench.reset()
        bench.forget()


def ended(t, bench):
    bench.begin(True)
    bench.vm.kill9()
    wait_broken(bench)
    bench.daemon.refuses("restore-commit", "vm1", saying=("QEMU",))
    bench.daemon.cli("restore-abort", "vm1")
    bench.is_half("ended", True)
    bench.forget()
    bench.vm.start()
    bench.before = bench.vm.state()


def has_overlay(t, bench):
    """A snapshot puts another node in the disk's place."""
    over = t.path("over.qcow2")
    bench.begin(False)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", bench.disk.path,
        "-F", "qcow2", over)
    bench.vm.qmp("blockdev-add", driver="qcow2", node_name="over",
                 file={"driver": "file", "filename": over}, backing=None)
    bench.vm.qmp("blockdev-snapshot", node=bench.disk.node, overlay="over")
    uri = "nbd+unix:///vda?socket=" \
        f"{bench.daemon.runtime}/.restore/vm1/nbd.sock"
    run("nbdcopy", bench.source, uri)
    bench.daemon.refuses("restore-commit", "vm1", saying=("vda", "snapshot"))
    bench.daemon.refuses("restore-abort", "vm1",
                         saying=("over", "end this QEMU"))
    bench.vm.kill9()
    bench.daemon.cli("restore-abort", "vm1")
    bench.is_half("has an overlay", True)
    bench.forget()
    bench.vm.start()
    bench.before = bench.vm.state()


def late(t, bench):
    """It is started when the commit is noted, and has the stand-in still."""
    daemon = bench.daemon
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = "restore-note-commit"
    daemon.start()
    bench.begin(True)
    daemon.cli("restore-commit", "vm1", check=False)
    need(daemon.process.wait(timeout=60) == -signal.SIGABRT, "it went on")
    daemon.env.pop("PULLBACK_STOP_AFTER")
    bench.vm.resume()
    daemon.start()
    t.check(restores(daemon) == {"vm1": "committing"} and
            os.path.exists(bench.disk.path + MARK), f"{restores(daemon)}")
    bench.in_qemu("late")
    bench.reset()
    daemon.cli("restore-commit", "vm1")
    bench.is_half("late", False)


def daemon_dies(t, bench, job, step):
    what = f"{step} of {job}"
    daemon = bench.daemon
    daemon.terminate()
    daemon.env["PULLBACK_STOP_AFTER"] = step
    daemon.start()
    if daemon.cli("restore-begin", "vm1", check=False).returncode == 0:
        run("nbdcopy", bench.source, "nbd+unix:///vda?socket="
            f"{daemon.runtime}/.restore/vm1/nbd.sock", check=False)
        daemon.cli("restore-abort" if job == "restore-abort"
                   else "restore-commit", "vm1", check=False)
    need(daemon.process.wait(timeout=60) == -signal.SIGABRT,
         f"the daemon went on after {what}")
    daemon.env.pop("PULLBACK_STOP_AFTER")
    daemon.start()
    half = bool(restores(daemon))       # answers when it has looked
    bench.is_half(what, half)
    bench.in_qemu(what)
    t.check(not daemon.children(), f"{what}: {daemon.children()}")
    if step in SYNCED:
        copy = bench.vm.reference_copy("vda", t.path("copy"))
        t.check(not half and compare(copy, bench.source) is None,
                f"{what}: it is not whole")
    bench.forget()
    t.check(not daemon.files_left(), f"{what}: left {daemon.files_left()}")
    return half


def incremental(t, bench):
    """QEMU's bitmaps have recorded the restore."""
    begun, _ = freeze(t, bench.vm, bench.daemon, "--checkpoint", "c0")
    have = t.path("have")
    nbdcopy(begun["disk"]["vda"]["uri"], have)
    bench.daemon.refuses("restore-begin", "vm1", saying=("backup",))
    bench.daemon.commit()
    bench.reset()
    write_random(t, bench.source, SIZE, (2,))
    bench.begin(True)
    bench.daemon.refuses("backup-begin", "vm1", saying=("restore",))
    bench.daemon.cli("restore-commit", "vm1")
    begun, references = freeze(t, bench.vm, bench.daemon, "--incremental",
                               "c0")
    disk = begun["disk"]["vda"]
    t.check(disk["mode"] == "incremental", f"{disk}")
    pull_dirty(disk, have)
    same(references["vda"], have, "incremental after a restore")
    same(bench.source, have, "what was restored")
    bench.daemon.commit()
    bench.reset()


def die(t, bench):
    bench.before = bench.vm.state()
    steps = [pair for pair in listed_steps()
             if pair[0].startswith("restore-") and
             not pair[0].startswith("restore-adopt")]
    half = [step for job, step in steps if daemon_dies(t, bench, job, step)]
    t.say(f"{len(steps)} deaths, {len(half)} left it half restored")
    t.check(len(steps) > 20 and half, f"{steps}")


def test(t):
    bench = Bench(t)
    started(t, bench)
    ended(t, bench)
    has_overlay(t, bench)
    incremental(t, bench)
    if "steps" in sys.argv[1:]:
        die(t, bench)
        late(t, bench)
    bench.daemon.terminate()


main(test)
