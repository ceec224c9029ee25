# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's own fleecing (blockdev-backup into a qcow2 overlay, which QEMU exports)
on the storage that the rows of fault_store meet.  Nothing is wanted of it: it is
there to compare."""

import os
import subprocess
import time

from pullbacktest import MIB, run, wait_until

from fault_store import STAGE
from table import Row

# On storage that has not failed before: what was lost then may be told late.
FRESH = {**STAGE, "more": []}
SECONDS = 10
OVERLAY = 4 * MIB               # room that is left where the scratch is full


def begin(stage, disk):
    """Returns a client that reads."""
    vm, overlay = stage.vm, os.path.join(stage.store.folder, "overlay")
    socket = stage.t.path("peer")
    run("qemu-img", "create", "-q", "-f", "qcow2", overlay, disk.size)
    vm.qmp("blockdev-add", driver="qcow2", node_name="peer", backing=disk.node,
           file={"driver": "file", "filename": overlay})
    vm.qmp("blockdev-backup", job_id="peer", device=disk.node, target="peer",
           sync="none")
    vm.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": socket}})
    vm.qmp("block-export-add", id="peer", type="nbd", node_name="peer")
    return subprocess.Popen(
        ["nbdcopy", f"nbd+unix:///peer?socket={socket}", "null:"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(stage, client):
    client.kill()
    client.wait()
    qmp = stage.vm.qmp
    if qmp("query-jobs"):
        qmp("job-cancel", id="peer")
    wait_until(lambda: not qmp("query-jobs"), 60, "its job does not end")
    qmp("nbd-server-stop")
    wait_until(lambda: not qmp("query-block-exports"), 20)
    qmp("blockdev-del", node_name="peer")
    os.unlink(os.path.join(stage.store.folder, "overlay"))


def peer(fault):
    def act(stage):
        qmp = stage.vm.qmp
        client = begin(stage, stage.vm.disks["vda"])
        fault(stage.store)
        time.sleep(SECONDS)
        status = qmp("query-status")["status"]
        stage.store.heal()
        # It stays so until somebody says so.
        if status != "running":
            qmp("cont")
        end(stage, client)
        # A guest that is stopped does not see that, nor for how long.
        return ("the guest runs" if status == "running" else
                f"the guest is stopped: {status}")
    return act


def rows():
    for name, what, fault in (
            ("full", "full", lambda s: s.fill(OVERLAY)),
            ("slow", "throttled to 1 MiB/s", lambda s: s.slow(MIB)),
            ("error", "returns EIO", lambda s: s.fail())):
        yield Row(f"peer/{name}", f"QEMU's own fleecing, scratch {what}",
                  peer(fault), "", stage=FRESH, judged=False)
