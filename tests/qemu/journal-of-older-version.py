#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that is replaced by a newer one while it is dead: the journal of the
version before, which has no tag, and what it left in QEMU are recovered."""

import json
import os
import subprocess

from pullbacktest import MIB, VM, Daemon, Disk, main, wait_until

SIZE = 8 * MIB


def old_sink(t, daemon):
    """What QEMU sends old data to."""
    folder = os.path.join(daemon.runtime, "vm1")
    os.makedirs(folder, exist_ok=True)
    path, socket = t.path("sink.raw"), os.path.join(folder, "sink.sock")
    with open(path, "wb") as stream:
        stream.truncate(SIZE)
    process = subprocess.Popen(
        ["qemu-nbd", "-t", "-e", "8", "-f", "raw", "-k", socket, "-x", "vda", path],
        stdin=subprocess.DEVNULL)
    t.defer(process.wait)
    t.defer(process.terminate)
    wait_until(lambda: os.path.exists(socket), 10, "qemu-nbd does not listen")
    return socket


def old_backup(vm, socket):
    """By the names that the older version used."""
    vm.qmp("blockdev-add", {
        "driver": "nbd", "node-name": "pullback-sink0", "export": "vda",
        "server": {"type": "unix", "path": socket}})
    vm.qmp("transaction", actions=[
        {"type": "blockdev-backup", "data": {
            "job-id": "pullback-job0", "device": "node-vda",
            "target": "pullback-sink0", "sync": "none",
            "auto-dismiss": False, "filter-node-name": "pullback-cbw0"}},
        {"type": "block-dirty-bitmap-add", "data": {
            "node": "node-vda", "name": "pullback-export0",
            "disabled": True}}])


def test(t):
    vm = VM(t, [Disk("vda", "raw", SIZE)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    before = vm.state()
    daemon.kill9()
    old_backup(vm, old_sink(t, daemon))
    with open(f"/proc/{vm.pid}/stat") as stream:
        started = stream.read().rsplit(")", 1)[1].split()[19]
    with open(os.path.join(daemon.state, "vm1", "job.json"), "w") as stream:
        json.dump({"version": 1, "domain": "vm1",
                   "client-socket": f"{daemon.runtime}/vm1.sock",
                   "qemu": f"{vm.pid}-{started}",
                   "disks": [{"name": "vda", "node": "node-vda"}]}, stream)
    daemon.start()
    wait_until(lambda: not daemon.files_left(), 60,
               lambda: f"left: {daemon.files_left()}")
    vm.assert_clean(before)
    daemon.begin("--checkpoint", "x")
    daemon.commit()


main(test)
