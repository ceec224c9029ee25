#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Full and incremental backups, committed, aborted, in use and broken: nothing of ours is
in QEMU's log but the line about block sizes that the documentation names."""

import subprocess

from pullbacktest import (MIB, VM, Daemon, Disk, main, nbdcopy,
                          pull_dirty, start_load, stop_load)

# docs/failure-model.md
EXPECTED = "The target block device doesn't provide information about the " \
           "block size"


class Log:
    """What QEMU writes, from one look to the next."""

    def __init__(self, t, vm):
        self.t, self.path, self.seen = t, vm.log_path, 0

    def look(self, what):
        with open(self.path) as stream:
            lines = stream.read().splitlines()
        new, self.seen = lines[self.seen:], len(lines)
        strange = [line for line in new if EXPECTED not in line]
        self.t.say(f"{what}: {len(new)} lines, {len(strange)} unexpected")
        self.t.check(not strange, f"{what}: QEMU's log has {strange}")


def pull(t, backup):
    for name, disk in backup["disk"].items():
        if disk["mode"] == "incremental":
            pull_dirty(disk, t.path(f"{name}.copy"))
        else:
            nbdcopy(disk["uri"], t.path(f"{name}.copy"))


def reader(t, uri):
    """A client in the middle of its pull."""
    process = subprocess.Popen(
        ["/usr/bin/python3", "-c",
         "import nbd, sys\nh = nbd.NBD()\nh.connect_uri(sys.argv[1])\n"
         "print(len(h.pread(65536, 0)), flush=True)\n"
         "while True:\n for i in range(60): h.pread(1048576, i << 20)",
         uri], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    t.defer(process.stdout.close)
    t.defer(process.wait)
    t.defer(process.kill)
    process.stdout.readline()
    return process


def cycle(t, vm, daemon):
    log = Log(t, vm)
    pull(t, daemon.begin("--checkpoint", "full"))
    log.look("full")
    daemon.commit()
    log.look("committed")
    pull(t, daemon.begin("--checkpoint", "tue", "--incremental", "full"))
    log.look("incremental")
    daemon.commit()
    log.look("committed")
    pull(t, daemon.begin("--checkpoint", "wed", "--incremental", "tue"))
    daemon.abort()
    log.look("aborted")
    for end in (daemon.abort, daemon.commit):
        disks = daemon.begin("--incremental", "tue")["disk"]
        for disk in disks.values():
            reader(t, disk["uri"])
        end()
        log.look("ended with clients at work")


def test(t):
    vm = VM(t, [Disk("vda", "raw", 64 * MIB), Disk("vdb", "qcow2", 64 * MIB)])
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=100")
    cycle(t, vm, daemon)
    stop_load(t, vm)
    daemon.terminate()


main(test)
