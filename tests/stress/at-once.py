#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# mark: check
# mark: check --domains 100 --rounds 1
# mark: stress --rounds 50
# mark: stress --domains 100 --rounds 5
"""Backups of many machines that begin at the same instant do not hinder each
other: each begins, is pulled by a client of its own and is committed, with the
1,024 open files that a daemon is usually given.

    at-once.py [--domains N] [--rounds R]

The machines are qemu-storage-daemons, which are small.  Figures are printed,
not judged."""

import argparse
import os
import subprocess
import threading
import time

from pullbacktest import (MIB, Daemon, Failed, alive, main, run, same,
                          wait_until)
from pullbacktest.control import Control
from pullbacktest.nbdserver import listens
from pullbacktest.processes import descendants

parser = argparse.ArgumentParser()
parser.add_argument("--domains", type=int, default=8)
parser.add_argument("--rounds", type=int, default=6)
options = parser.parse_args()

SIZE = 4 * MIB
# Of begin, which no machine takes that is at work.
DEADLINE = 150


class Machine:
    """One qemu-storage-daemon with one disk."""

    def __init__(self, t, number):
        self.name = f"vm{number}"
        self.image = t.path(f"{self.name}.raw")
        self.qmp_path = t.path(f"{self.name}.qmp")
        # All different, and the same in every granule.
        with open(self.image, "wb") as image:
            image.write(number.to_bytes(4, "little") * (SIZE // 4))
        self.process = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev",
             f"raw,node-name=disk,file.driver=file,file.filename={self.image}",
             "--chardev", f"socket,id=m,path={self.qmp_path},server=on,"
             "wait=off", "--monitor", "chardev=m"],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        t.defer(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()


def together(machines, work):
    """WORK(machine) in a thread each, at the same instant; what each said."""
    barrier = threading.Barrier(len(machines))
    results = {}

    def one(machine):
        barrier.wait()
        try:
            results[machine.name] = work(machine)
        except Exception as failure:
            results[machine.name] = failure

    threads = [threading.Thread(target=one, args=(m,)) for m in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def good(t, what, results):
    bad = {name: str(value) for name, value in results.items()
           if isinstance(value, Exception)}
    for name, text in list(bad.items())[:5]:
        t.say(f"    {name}: {text}")
    if bad:
        raise Failed(f"{what}: {len(bad)} of {len(results)} failed")


def memory(daemon):
    """Resident, MiB."""
    with open(f"/proc/{daemon.pid}/status") as stream:
        for line in stream:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def cpu_seconds():
    """Of all processes of this test that are there."""
    ticks = 0
    for pid in descendants(os.getpid()):
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read().rsplit(b")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def percentile(values, part):
    return sorted(values)[int(len(values) * part)]


def one_round(t, daemon, machines, number):
    def begin(machine):
        control = Control(daemon.socket, DEADLINE)
        begun = time.monotonic()
        reply = control("backup-begin", domain=machine.name)
        return time.monotonic() - begun, reply["disks"][0]["uri"]

    cpu = cpu_seconds()
    begun = together(machines, begin)
    good(t, "backup-begin", begun)
    cpu = cpu_seconds() - cpu
    seconds = [s for s, _ in begun.values()]
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    t.say(f"round {number}: begin took {percentile(seconds, 0.5):.2f} s in "
          f"the median, {max(seconds):.2f} s at most, and {cpu:.1f} s of "
          f"processors; the daemon has {files} open files, "
          f"{memory(daemon):.1f} MiB")

    for machine in machines:
        copy = t.path("copy")
        run("nbdcopy", begun[machine.name][1], copy, timeout=DEADLINE)
        same(machine.image, copy, f"the pull of {machine.name}")
        os.unlink(copy)

    def commit(machine):
        return Control(daemon.socket, DEADLINE)("backup-commit",
                                                domain=machine.name)

    good(t, "backup-commit", together(machines, commit))


def test(t):
    machines = [Machine(t, number) for number in range(1, options.domains + 1)]
    daemon = Daemon(t, files="1024:")
    t.say(f"memory of the daemon at first: {memory(daemon):.1f} MiB")
    control = Control(daemon.socket)
    for machine in machines:
        wait_until(lambda: listens(machine.qmp_path)
                   or not alive(machine.process.pid), 30,
                   "qemu-storage-daemon does not listen")
        control("domain-add", name=machine.name, qmp=machine.qmp_path,
                disks=["vda=disk"])
    for number in range(1, options.rounds + 1):
        one_round(t, daemon, machines, number)
    daemon.assert_nothing_left()
    # It gives memory back a little later.
    first = memory(daemon)
    for _ in range(40):
        time.sleep(0.1)
        if memory(daemon) < first - 1:
            break
    t.say(f"memory of the daemon at last: {memory(daemon):.1f} MiB")


main(test)
