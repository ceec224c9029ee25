#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: faults
"""The daemon is killed in an incremental backup, when it is ready or when only QEMU
knows yet of the freeze, and then QEMU ends cleanly and stores its bitmaps.
Whichever comes back first, the checkpoint is merged back: the chain goes on with
all bytes, no bitmap stays and the name is free."""

import resource
import signal

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, pull_dirty, run,
                          wait_until)

DISKS = {"vda": "raw", "vdb": "qcow2"}


class World:
    def __init__(self, t):
        self.t, self.count = t, 0
        self.vm = VM(t, [Disk(name, form, 8 * MIB)
                         for name, form in DISKS.items()], boot=False)
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)
        self.copy, self.truth = t.path("copy"), bytearray(8 * MIB)
        disk = self.daemon.begin("--checkpoint", "base")["disk"]["vdb"]
        run("nbdcopy", disk["uri"], self.copy)
        self.daemon.commit()

    def write(self):
        self.count += 1
        at = self.count * 65536
        for disk in DISKS:
            said = self.vm.qmp.hmp(
                f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
                f"\"write -P {self.count} {at} 65536\"")
            need(not said.strip(), f"qemu-io: {said}")
        self.truth[at:at + 65536] = bytes([self.count]) * 65536

    def die(self, step):
        """The daemon, killed when it is ready or after STEP; then QEMU."""
        words = ("backup-begin", "vm1", "--checkpoint", "gone",
                 "--incremental", "base")
        self.write()
        if step:
            self.daemon.terminate()
            self.daemon.env["PULLBACK_STOP_AFTER"] = step
            self.daemon.start()
            self.daemon.cli(*words, check=False)
            self.daemon.process.wait(timeout=60)
            del self.daemon.env["PULLBACK_STOP_AFTER"]
        else:
            self.daemon.cli(*words)
            self.write()
            self.daemon.kill9()
        self.vm.process.send_signal(signal.SIGTERM)
        self.vm.process.wait(timeout=60)
        self.vm.close()

    def come_back(self, daemon_first):
        if daemon_first:
            self.daemon.start()
            self.settled()
        self.vm.start()
        if not daemon_first:
            self.daemon.start()
        self.settled()

    def settled(self):
        wait_until(lambda: not self.daemon.files_left()
                   and not self.daemon.children(), 30,
                   lambda: f"left: {self.daemon.files_left()}")

    def check(self, what):
        """Also what was written since base, with and without the daemon."""
        t, daemon = self.t, self.daemon
        self.write()
        disk = daemon.begin("--checkpoint", "gone",
                            "--incremental", "base")["disk"]["vdb"]
        t.check(disk["mode"] == "incremental", f"{what}: {disk['reason']}")
        if disk["mode"] == "incremental":
            pull_dirty(disk, self.copy)
            with open(self.copy, "rb") as stream:
                t.check(stream.read() == self.truth, f"{what}: bytes differ")
        daemon.abort()
        names = [c["name"] for c in
                 daemon.cli("checkpoint-list", "vm1")["checkpoints"]]
        t.check(names == ["base"], f"{what}: checkpoints {names}")
        bitmaps = self.vm.state()["bitmaps"]
        t.check("gone" not in str(bitmaps), f"{what}: {bitmaps}")


def test(t):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    world = World(t)
    steps = [None]
    # Right after these QEMU has the checkpoint's bitmap or not.
    if run("pullback-backupd", "--list-steps", check=False).returncode == 0:
        steps += ["quiesce", "freeze", "stop-previous"]
    for step in steps:
        for daemon_first in (True, False):
            what = f"{step or 'ready'}, " \
                   f"{'daemon' if daemon_first else 'QEMU'} first"
            t.say(what)
            world.die(step)
            world.come_back(daemon_first)
            world.check(what)
    world.daemon.terminate()
    world.daemon.assert_nothing_left()


main(test)
