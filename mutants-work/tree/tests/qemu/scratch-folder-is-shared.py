#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines of one name and one scratch folder: no copy of one has bytes
of the other.  One-shot backups have folders of their own there; the second of
two daemons is refused, also while the first one is dead."""

import os
import subprocess

from pullbacktest import MIB, VM, Daemon, Disk, main, need, wait_until

SIZE = 4 * MIB


def fill(vm, byte, at=0, length=SIZE):
    said = vm.qmp.hmp(f"qemu-io -d /machine/peripheral/vda/virtio-backend "
                      f'"write -P {byte} {at} {length}"')
    need(not said.strip(), said)


def one_shot(t, vm, name, scratch):
    """Copies when the file "go" is there."""
    command = (f'touch "{t.path(name + ".begun")}"; '
               f'while [ ! -e "{t.path("go")}" ]; do sleep 0.1; done; '
               f'nbdcopy "$uri_vda" "{t.path(name + ".copy")}"')
    process = subprocess.Popen(
        ["pullback", "run", "--qmp", vm.qmp_path, "--scratch-dir", scratch,
         "--run", command], stdin=subprocess.DEVNULL)
    t.defer(process.kill)
    wait_until(lambda: os.path.exists(t.path(name + ".begun"))
               or process.poll() is not None, 60, f"{name} does not begin")
    return process


def two_at_once(t, machines, scratch):
    processes = [one_shot(t, vm, vm.name, scratch) for vm in machines]
    for vm in machines:
        fill(vm, 99, MIB, MIB)
    open(t.path("go"), "w").close()
    for vm, process, byte in zip(machines, processes, (10, 20)):
        need(process.wait(timeout=90) == 0, f"{vm.name} failed")
        with open(t.path(vm.name + ".copy"), "rb") as copy:
            t.check(set(copy.read()) == {byte}, f"{vm.name}: foreign bytes")
    t.check(os.listdir(scratch) == [], f"left: {os.listdir(scratch)}")


def two_daemons(t, machines, scratch):
    first = Daemon(t, scratch=scratch, name="first")
    second = Daemon(t, scratch=scratch, name="second")
    for vm, daemon in zip(machines, (first, second)):
        daemon.add(vm)
    first.begin()
    saying = (first.scratch, first.state)
    second.refuses("backup-begin", "vm1", saying=saying)
    first.kill9()
    second.refuses("backup-begin", "vm1", saying=saying)
    first.start()
    first.abort()
    first.cli("domain-remove", "vm1")
    second.begin()
    second.abort()
    second.cli("domain-remove", "vm1")
    t.check(os.listdir(scratch) == [], f"left: {os.listdir(scratch)}")


def test(t):
    machines = [VM(t, [Disk("vda", "raw", SIZE, path=t.path(name + ".raw"))],
                   boot=False, name=name) for name in ("A", "B")]
    scratch = t.path("scratch")
    os.mkdir(scratch)
    for vm, byte in zip(machines, (10, 20)):
        fill(vm, byte)
    two_at_once(t, machines, scratch)
    two_daemons(t, machines, scratch)


main(test)
