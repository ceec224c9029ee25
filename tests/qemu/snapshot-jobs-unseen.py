#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A job of snapshots that was dismissed before the daemon could ask what it is breaks the
backup of a qcow2 disk, also where it was run within the begin; a block job, libvirt's
blockdev-create, and one that was over before the freeze do not."""

import signal
import threading

from pullbacktest import MIB, VM, Daemon, Disk, kill, main, wait_until

SIZE = 16 * MIB


def is_over(vm, name):
    return any(job["id"] == name and job["status"] == "concluded"
               for job in vm.qmp("query-jobs"))


def save(vm, name, dismissed=True):
    vm.qmp("snapshot-save", job_id=name, tag=name, vmstate="node-vda",
           devices=["node-vda"])
    wait_until(lambda: is_over(vm, name), 60, "snapshot-save")
    if dismissed:
        vm.qmp("job-dismiss", id=name)


def others(t, vm):
    """Jobs that change nothing."""
    path = t.path("made")
    with open(path, "wb"):
        pass
    name = "create-libvirt-1-storage"
    vm.qmp("blockdev-create", job_id=name,
           options={"driver": "file", "filename": path, "size": MIB})
    wait_until(lambda: is_over(vm, name), 60, "blockdev-create")
    vm.qmp("job-dismiss", id=name)
    for node in ("from", "to"):
        vm.qmp("blockdev-add", driver="null-co", node_name=node, size=MIB)
    vm.qmp("blockdev-backup", job_id="quick", device="from", target="to",
           sync="full")
    wait_until(lambda: all(job["id"] != "quick"
                           for job in vm.qmp("query-jobs")), 60, "block job")
    for node in ("from", "to"):
        vm.qmp("blockdev-del", node_name=node)


class Stopped:
    """The daemon hears of nothing meanwhile."""

    def __init__(self, daemon):
        self.pid = daemon.pid

    def __enter__(self):
        kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        kill(self.pid, signal.SIGCONT)


def has_backup(vm):
    return any(job["type"] == "backup" for job in vm.qmp("query-jobs"))


def within_begin(vm, daemon):
    begin = threading.Thread(target=daemon.begin)
    begin.start()
    while begin.is_alive() and not has_backup(vm):
        pass
    with Stopped(daemon):
        save(vm, "within")
    begin.join()


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False)
    vm.resume()
    daemon = Daemon(t)
    daemon.add(vm)
    within_begin(vm, daemon)
    daemon.refuses("backup-commit", "vm1", saying=["within", "snapshots"])
    daemon.abort()
    # These are over before the freeze: of one the daemon hears later.
    save(vm, "old", dismissed=False)
    with Stopped(daemon):
        save(vm, "early")
        begin = threading.Thread(target=daemon.begin)
        begin.start()
    begin.join()
    with Stopped(daemon):
        others(t, vm)
    daemon.commit()
    daemon.begin()
    daemon.kill9()
    daemon.start()
    daemon.commit()
    daemon.begin()
    vm.qmp("job-dismiss", id="old")
    with Stopped(daemon):
        save(vm, "old")
    daemon.refuses("backup-commit", "vm1", saying=["old", "snapshots"])
    daemon.abort()


main(test)
