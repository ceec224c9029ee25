#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The daemon dies after each step of begin, commit, abort, checkpoint-create and
checkpoint-delete, and while it takes over the backup of one that died.  The next
daemon makes catalog and QEMU agree, leaves nothing behind, and the next
incremental backup has all bytes."""

import os
import resource
import signal
import subprocess
import sys

from pullbacktest import (MIB, VM, Daemon, Disk, Failed, main, need,
                          pull_dirty, run, wait_until)
from pullbacktest.liststeps import listed_steps

GRANULE = 65536
SIZE = 8 * MIB
DISKS = {"vda": "raw", "vdb": "qcow2"}
HERE = os.path.dirname(os.path.abspath(__file__))
FAKE = os.path.join(HERE, "..", "fake-qemu", "fake-qmp.py")


class Bench:
    """A VM, what must be on its disks, and a copy as of the checkpoint BASE."""

    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk(name, form, SIZE)
                         for name, form in DISKS.items()], boot=False)
        self.truth = {name: bytearray(SIZE) for name in DISKS}
        self.count = 0
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)
        self.write()
        disks = self.daemon.begin("--checkpoint", "base0")["disk"]
        for name, disk in disks.items():
            run("nbdcopy", disk["uri"], self.copy(name))
        self.daemon.commit()
        self.base = "base0"
        self.before = self.vm.state()

    def copy(self, disk):
        return self.t.path(f"{disk}.copy")

    def write(self):
        """Two granules of each disk get new bytes."""
        for disk in DISKS:
            for _ in range(2):
                self.count += 1
                at = self.t.random.randrange(SIZE // GRANULE) * GRANULE
                byte = self.count % 255 + 1
                said = self.vm.qmp.hmp(
                    f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
                    f"\"write -P {byte} {at} 4096\"")
                need(not said.strip(), f"qemu-io: {said}")
                self.truth[disk][at:at + 4096] = bytes([byte]) * 4096

    def restart(self, step=None):
        if self.daemon.process.poll() is None:
            self.daemon.terminate()
        self.daemon.env.pop("PULLBACK_STOP_AFTER", None)
        if step:
            self.daemon.env["PULLBACK_STOP_AFTER"] = step
        self.daemon.start()

    def checkpoints(self):
        return self.daemon.cli("checkpoint-list", "vm1")["checkpoints"]

    def must_abort(self):
        try:
            status = self.daemon.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise Failed("the daemon went on")
        if status != -signal.SIGABRT:
            raise Failed(f"the daemon ended with {status}")

    def check_agreement(self, what, names):
        """Nothing left, the catalog has NAMES, and QEMU has their bitmaps."""
        def quiet():
            return not self.daemon.files_left() \
                and not self.daemon.children() \
                and all(c["state"] == "committed" for c in self.checkpoints())

        wait_until(quiet, 60, lambda: f"{what}: left "
                   f"{self.daemon.children()} {self.daemon.files_left()} "
                   f"{self.checkpoints()}")
        have = [c["name"] for c in self.checkpoints()]
        if have != names:
            raise Failed(f"{what}: checkpoints {have}, want {names}")
        self.vm.assert_clean(self.before, {
            f"node-{disk}": [(n, n == names[-1]) for n in names]
            for disk in DISKS})

    def check_next_incremental(self, what):
        """Then its checkpoint is the only one."""
        self.count += 1
        name = f"base{self.count}"
        disks = self.daemon.begin("--checkpoint", name, "--incremental",
                                  self.base)["disk"]
        for disk in disks.values():
            if disk["mode"] != "incremental":
                raise Failed(f"{what}: {disk['name']} is full: "
                             f"{disk['reason']}")
            pull_dirty(disk, self.copy(disk["name"]))
            with open(self.copy(disk["name"]), "rb") as stream:
                if stream.read() != self.truth[disk["name"]]:
                    raise Failed(f"{what}: {disk['name']} differs")
        self.daemon.commit()
        for c in self.checkpoints()[:-1]:
            self.daemon.cli("checkpoint-delete", "vm1", c["name"])
        self.base = name


def run_begin(bench, *end):
    bench.daemon.cli("backup-begin", "vm1", "--checkpoint", "x",
                     "--on-migrate", "refuse",
                     "--incremental", bench.base, check=False)
    if end:
        bench.write()
        bench.daemon.cli(*end, "vm1", check=False)


def run_commit(bench):
    run_begin(bench, "backup-commit")


def run_abort(bench):
    run_begin(bench, "backup-abort")


def run_adopt(bench):
    """The daemon that dies is the one that takes the backup over."""
    step = bench.daemon.env.pop("PULLBACK_STOP_AFTER")
    bench.restart()
    run_begin(bench)
    bench.daemon.kill9()
    bench.daemon.env["PULLBACK_STOP_AFTER"] = step
    try:
        bench.daemon.start()
    except Failed:
        pass                    # it died before it listened


def run_create(bench):
    bench.daemon.cli("checkpoint-create", "vm1", "x", check=False)


def run_delete(bench):
    bench.daemon.cli("checkpoint-delete", "vm1", "y", "--children",
                     check=False)


def run_delete_middle(bench):
    bench.daemon.cli("checkpoint-delete", "vm1", "y", check=False)


def prepare_delete(bench):
    for name in "yz":
        bench.daemon.cli("checkpoint-create", "vm1", name)
        bench.write()


# By job: what runs it, and which checkpoints there are besides the base.
JOBS = {
    "begin": [(run_begin, lambda step: [])],
    "commit": [(run_commit, lambda step: ["x"])],
    "end": [(run_commit, lambda step: ["x"]), (run_abort, lambda step: [])],
    "abort": [(run_abort, lambda step: [])],
    "adopt": [(run_adopt, lambda step: [])],
    "create": [(run_create,
                lambda step: ["x"] if step == "create-commit" else [])],
    "delete": [(run_delete, lambda step: []),
               (run_delete_middle, lambda step: ["z"])],
}


# After these a backup is there, which the next daemon goes on with.
GOES_ON = ("note-ready", "adopt-sink", "adopt-stores", "adopt-images",
           "adopt-view", "adopt-gateway", "note-adopted")


def check_goes_on(bench, what):
    info = bench.daemon.info()
    want = 2 if "note-adopted" in what else 1
    need(info["state"] == "ready" and info["adopted"] == want,
         f"{what}: {info}")
    roles = ("role=sink", "role=view", "pullback-gateway")
    found = [role for _, words in bench.daemon.children() for role in roles
             if role in words]
    need(sorted(found) == sorted(roles), f"{what}: {bench.daemon.children()}")
    for disk in info["disks"]:
        run("nbdinfo", "--size", disk["uri"])
    bench.daemon.abort()


def stop_after(t, bench, job, step):
    for trigger, more in JOBS[job]:
        what = f"{trigger.__name__} stopped after {step}"
        t.say(what)
        bench.write()
        if job == "delete":
            prepare_delete(bench)
        bench.restart(step)
        trigger(bench)
        bench.must_abort()
        bench.write()
        bench.restart()
        if step in GOES_ON:
            check_goes_on(bench, what)
        bench.check_agreement(what, [bench.base] + more(step))
        bench.check_next_incremental(what)


def stop_after_refused_create(t, bench, step):
    """QEMU refuses the transaction: the undo is what is stopped after."""
    t.say(f"a create that QEMU refuses, stopped after {step}")
    bench.restart(step)
    path = t.path("fake.qmp")
    fake = subprocess.Popen(
        [sys.executable, FAKE, "--listen", path, "refuse=transaction",
         "--real", bench.vm.qmp_path], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True)
    t.defer(fake.wait)
    t.defer(fake.terminate)
    need(fake.stdout.readline().strip() == "ready", "no fake QMP")
    bench.daemon.cli("domain-add", "vm2", "--qmp", path)
    bench.daemon.cli("checkpoint-create", "vm2", "x", check=False)
    bench.must_abort()
    bench.restart()
    have = bench.daemon.cli("checkpoint-list", "vm2")["checkpoints"]
    t.check(have == [], f"refused, but there: {have}")
    bench.daemon.cli("domain-remove", "vm2")
    fake.terminate()
    bench.check_agreement("refused create", [bench.base])
    bench.check_next_incremental("refused create")


def test(t):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Those of restores, which are no machine's: tests/restore/.
    steps = [(job, step) for job, step in listed_steps()
             if not job.startswith("restore-")]
    bench = Bench(t)
    only = os.environ.get("STEP")
    for job, step in steps:
        if only and step != only:
            continue
        if step.startswith("undo-create-"):
            stop_after_refused_create(t, bench, step)
        else:
            stop_after(t, bench, job, step)
    bench.daemon.terminate()


main(test)
