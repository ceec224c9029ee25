#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody has QEMU make a qcow2 image, on storage that is slow: QEMU 7.2 crashes when it is
asked for its block nodes then. A backup waits for a moment, else it is refused, and one that is
open stays, and ends when the image is made. A newer QEMU answers nobody meanwhile: there it is
seen only that it goes on, and that a backup begins and ends afterwards."""

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, need_programs,
                          wait_until)
from pullbacktest.nbdserver import NbdServer


def create(t, vm, delay):
    """Each read takes as long as DELAY, and each write no time.  The storage, and
    how many nodes there were."""
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
    return server, before


def is_seen(vm, before):
    """The image's own node, which the job opens.  False: QEMU does not answer."""
    try:
        wait_until(lambda: nodes(vm) > before, 20, "the image is not opened")
    except TimeoutError:
        return False
    return True


def nodes(vm):
    return len([node for node in vm.qmp("x-debug-query-block-graph")["nodes"]
                if node["type"] == "block-driver"])


def end(vm, name):
    """The job of that name, whether it makes the image or fails."""
    def job():
        return [job for job in vm.qmp("query-jobs") if job["id"] == name][0]

    wait_until(lambda: job()["status"] == "concluded", 60, lambda: f"{job()}")
    vm.qmp("job-dismiss", id=name)


def goes_on(vm, server, name):
    """When the storage has failed, with what it was asked meanwhile."""
    server.kill()
    vm.qmp.answer("x-debug-query-block-graph")
    end(vm, name)
    need(vm.process.poll() is None, "QEMU has crashed")


def answers_nobody(t, vm, daemon, server):
    goes_on(vm, server, "slow30")
    daemon.begin()
    server, seen = create(t, vm, 31)
    need(not is_seen(vm, seen), "QEMU answers now")
    goes_on(vm, server, "slow31")
    daemon.abort()
    for node in "slow30", "slow31":
        vm.qmp("blockdev-del", node_name=node)


def answers(t, vm, daemon, server):
    for verb in "backup-begin", "domain-info":
        daemon.refuses(verb, "vm1", saying=("makes an image", "slow30"))
        need(vm.process.poll() is None, "QEMU has crashed")
    server.kill()
    end(vm, "slow30")
    need(is_seen(vm, create(t, vm, "100ms")[1]), "QEMU does not answer")
    daemon.begin()
    end(vm, "slow100ms")

    server, before = create(t, vm, 31)
    need(is_seen(vm, before), "QEMU does not answer")
    daemon.refuses("backup-abort", "vm1", saying=("makes an image", "slow31"))
    need(vm.process.poll() is None, "QEMU has crashed")
    server.kill()
    end(vm, "slow31")
    daemon.abort()
    for node in "slow30", "slow100ms", "slow31":
        vm.qmp("blockdev-del", node_name=node)


def test(t):
    need_programs("nbdkit")
    vm = VM(t, [Disk("vda", "raw", 8 * MIB), Disk("vdb", "qcow2", 8 * MIB)],
            boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    before = vm.state()
    server, seen = create(t, vm, 30)
    if is_seen(vm, seen):
        answers(t, vm, daemon, server)
    else:
        t.say("QEMU answers nobody while it makes an image")
        answers_nobody(t, vm, daemon, server)
    vm.assert_clean(before)
    daemon.terminate()


main(test)
