#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What else is asked of QEMU while a backup is open: it refuses savevm and
block_resize, takes an internal snapshot, and the backup goes on and shows what was
frozen, however its disk is read."""

from pullbacktest import (MIB, VM, Daemon, Disk, QmpError, freeze, main,
                          nbdcopy, same, start_load, stop_load, switch_on,
                          wait_until)

SIZE = 16 * MIB


def resize_is_refused(t, vm, node):
    try:
        vm.qmp("block_resize", node_name=node, size=2 * SIZE)
        t.check(False, f"{node} was resized")
    except QmpError as error:
        t.say(f"{node}: {error}")


def snapshot(vm):
    """snapshot-save and its job; what became of it."""
    vm.qmp("snapshot-save", job_id="s", tag="s", vmstate="node-vda",
           devices=["node-vda"])
    wait_until(lambda: any(job["id"] == "s" and job["status"] == "concluded"
                           for job in vm.qmp("query-jobs")), 60, "snapshot")
    job = [job for job in vm.qmp("query-jobs") if job["id"] == "s"][0]
    vm.qmp("job-dismiss", id="s")
    return job.get("error")


def test(t):
    vm = VM(t, [Disk("vda", "qcow2", SIZE), Disk("vdb", "raw", SIZE)])
    switch_on(vm, "events")             # a snapshot is told of like a migration
    daemon = Daemon(t)
    daemon.add(vm)
    start_load(t, vm, "rate=200")
    backup, references = freeze(t, vm, daemon, "--checkpoint", "mon")
    for node in ("node-vda", "node-vdb"):
        resize_is_refused(t, vm, node)
    t.check("Error" in vm.qmp.hmp("savevm now"), "savevm")
    problem = snapshot(vm)
    t.check(problem is None, f"snapshot-save: {problem}")
    for name, reference in references.items():
        nbdcopy(backup["disk"][name]["uri"], t.path("copy"))
        same(reference, t.path("copy"), name)
    daemon.commit()
    stop_load(t, vm)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
