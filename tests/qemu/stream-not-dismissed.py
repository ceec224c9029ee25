#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A block-stream that has ended and was not dismissed: QEMU 7.2 crashes when it is asked
for its block nodes then. A backup waits for a moment, else it is refused."""

import threading

from pullbacktest import (MIB, VM, Daemon, Disk, main, need, run, wait_until)


def stream(t, vm, disk, number):
    """Of a new overlay; ends, and stays."""
    node, path = f"over{number}", t.path(f"over{number}")
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", disk.form, "-b",
        disk.path, path, str(disk.size))
    vm.qmp("blockdev-add", {
        "driver": "qcow2", "node-name": node, "backing": None,
        "file": {"driver": "file", "filename": path}})
    vm.qmp("blockdev-snapshot", node=disk.node, overlay=node)
    disk.node, disk.path, disk.form = node, path, "qcow2"
    vm.qmp("block-stream", {"job-id": "stream", "device": node,
                            "auto-dismiss": False})
    wait_until(lambda: [job["status"] for job in vm.qmp("query-jobs")
                        if job["id"] == "stream"] == ["concluded"], 20)


def test(t):
    disk = Disk("vda", "raw", 8 * MIB)
    vm = VM(t, [disk], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    stream(t, vm, disk, 1)
    daemon.refuses("backup-begin", "vm1", saying=("stream", "dismiss"))
    daemon.refuses("domain-info", "vm1", saying=("stream", "dismiss"))
    need(vm.process.poll() is None, "QEMU has crashed")
    timer = threading.Timer(0.5, lambda: vm.qmp("job-dismiss", id="stream"))
    timer.start()
    daemon.begin()
    timer.join()
    daemon.abort()


main(test)
