#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A checkpoint was made while an overlay was away, and the overlay is put back: one that was made
on the overlay before has not heard what was written meanwhile, and nothing since it is
believed."""

from pullbacktest import MIB, VM, Daemon, Disk, main, run, wait_until

SIZE = 8 * MIB


def write(vm, byte, at):
    vm.qmp.hmp("qemu-io -d /machine/peripheral/vda/virtio-backend "
               f"\"write -P {byte} {at} 64k\"")


def put_on_top(vm, path):
    vm.qmp("blockdev-add", {
        "driver": "qcow2", "node-name": "top", "backing": None,
        "file": {"driver": "file", "filename": path}})
    vm.qmp("blockdev-snapshot", {"node": "node-vda", "overlay": "top"})


def commit_and_take_away(vm):
    vm.qmp("block-commit", {"job-id": "c", "device": "top",
                            "base-node": "node-vda"})
    wait_until(lambda: [job["status"] for job in vm.qmp("query-jobs")] ==
               ["ready"], 20, "the commit is not ready")
    vm.qmp("job-complete", {"id": "c"})
    wait_until(lambda: not vm.qmp("query-jobs"), 20, "the commit stays")
    vm.qmp("blockdev-del", {"node-name": "top"})


def test(t):
    top = t.path("top")
    vm = VM(t, [Disk("vda", "qcow2", SIZE)], boot=False)
    daemon = Daemon(t)
    daemon.add(vm)
    run("qemu-img", "create", "-q", "-f", "qcow2", top, str(SIZE))
    daemon.cli("checkpoint-create", "vm1", "mon")
    put_on_top(vm, top)
    daemon.cli("checkpoint-create", "vm1", "tue")
    write(vm, 1, 0)
    commit_and_take_away(vm)
    daemon.cli("checkpoint-create", "vm1", "wed")
    write(vm, 2, MIB)
    put_on_top(vm, top)

    for since, mode in (("mon", "full"), ("tue", "full"),
                        ("wed", "incremental")):
        disk = daemon.begin("--incremental", since)["disk"]["vda"]
        t.check(disk["mode"] == mode, f"since {since}: {disk}")
        daemon.abort()
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
