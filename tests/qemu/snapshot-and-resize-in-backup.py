#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What else is asked of QEMU while a backup is open: it refuses savevm and block_resize,
and the backup goes on.  It takes, deletes and may load an internal snapshot: that breaks
the backup of a qcow2 disk, which says so, and not that of a raw one."""

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


def snapshot(vm, what, seen=lambda: None, **more):
    """The job snapshot-WHAT; what became of it.  SEEN: to be done before it is gone."""
    vm.qmp(f"snapshot-{what}", job_id="s", tag="s", devices=["node-vda"],
           **more)
    wait_until(lambda: any(job["id"] == "s" and job["status"] == "concluded"
                           for job in vm.qmp("query-jobs")), 60, "snapshot")
    job = [job for job in vm.qmp("query-jobs") if job["id"] == "s"][0]
    if not job.get("error"):
        seen()
    vm.qmp("job-dismiss", id="s")
    return job.get("error")


def breaks(t, vm, daemon, what, **more):
    """snapshot-WHAT in a backup of all disks."""
    daemon.begin()
    problem = snapshot(vm, what, lambda: wait_until(
        lambda: daemon.info()["state"] == "broken", 10,
        f"snapshot-{what}: not broken"), **more)
    if problem is not None:
        t.say(f"snapshot-{what}: {problem}")
        return daemon.abort()
    t.check(f"snapshot-{what}" in daemon.info()["reason"],
            f"{daemon.info()['reason']}")
    daemon.refuses("backup-commit", "vm1", saying=[f"snapshot-{what}"])
    return daemon.abort()


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
    for name, reference in references.items():
        nbdcopy(backup["disk"][name]["uri"], t.path("copy"))
        same(reference, t.path("copy"), name)
    daemon.commit()
    backup, references = freeze(t, vm, daemon, "--disk", "vdb")
    problem = snapshot(vm, "save", vmstate="node-vda")
    t.check(problem is None, f"snapshot-save: {problem}")
    nbdcopy(backup["disk"]["vdb"]["uri"], t.path("copy"))
    same(references["vdb"], t.path("copy"), "vdb")
    daemon.commit()
    daemon.cli("checkpoint-delete", "vm1", "mon")
    breaks(t, vm, daemon, "delete")
    breaks(t, vm, daemon, "save", vmstate="node-vda")
    stop_load(t, vm)
    # The guest is another one afterwards, or stands still.  QEMU 7.2 refuses.
    breaks(t, vm, daemon, "load", vmstate="node-vda")
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
