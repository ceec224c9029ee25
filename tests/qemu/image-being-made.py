#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody has QEMU make a qcow2 image, on storage that is slow: QEMU 7.2 crashes when it is
asked for its block nodes then. A backup waits for a moment, else it is refused, and one that is
open stays, and ends when the image is made."""

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, need_programs,
                          wait_until)
from pullbacktest.nbdserver import NbdServer


def create(t, vm, delay):
    """Each read takes as long as DELAY, and each write no time.  The storage."""
    path = t.path(f"slow{delay}")
    server = NbdServer(t, ["nbdkit", "--foreground", "--unix", path,
                           "--filter=delay", "memory", "1M", f"rdelay={delay}"],
                       path)
    node = f"slow{delay}"
    vm.qmp("blockdev-add", {"driver": "nbd", "node-name": node,
                            "server": {"type": "unix", "path": path}})
    before = nodes(vm)
    vm.qmp("blockdev-create", {"job-id": node, "options": {
        "driver": "qcow2", "file": node, "size": MIB}})
    # The image's own, which the job opens.
    wait_until(lambda: nodes(vm) > before, 20, "the image is not opened")
    return server


def nodes(vm):
    return len([node for node in vm.qmp("x-debug-query-block-graph")["nodes"]
                if node["type"] == "block-driver"])


def end(vm, name):
    """The job of that name, whether it makes the image or fails."""
    def job():
        return [job for job in vm.qmp("query-jobs") if job["id"] == name][0]

    wait_until(lambda: job()["status"] == "concluded", 60, lambda: f"{job()}")
    vm.qmp("job-dismiss", id=name)


def test(t):
    need_programs("nbdkit")
    vm = VM(t, [Disk("vda", "raw", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    before = vm.state()
    server = create(t, vm, 10)
    for verb in "backup-begin", "domain-info":
        daemon.refuses(verb, "vm1", saying=("makes an image", "slow10"))
        need(vm.process.poll() is None, "QEMU has crashed")
    server.kill()
    end(vm, "slow10")
    create(t, vm, "100ms")
    daemon.begin()
    end(vm, "slow100ms")

    server = create(t, vm, 11)
    daemon.refuses("backup-abort", "vm1", saying=("makes an image", "slow11"))
    need(vm.process.poll() is None, "QEMU has crashed")
    server.kill()
    end(vm, "slow11")
    daemon.abort()
    for node in "slow10", "slow100ms", "slow11":
        vm.qmp("blockdev-del", node_name=node)
    vm.assert_clean(before)
    daemon.terminate()


main(test)
