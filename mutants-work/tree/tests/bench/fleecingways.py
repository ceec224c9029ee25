# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways to have a point in time of a disk, for benchmarks: pullback's, and
QEMU alone.  Each begin () gives a URI to pull, each end () takes all away."""

import os

from pullbacktest import MIB, Daemon, run, wait_until


class Pullback:
    name = "pullback"

    def __init__(self, t, vm, **more):
        """MORE: what Daemon takes."""
        self.daemon = Daemon(t, **more)
        self.daemon.add(vm)

    def begin(self, *options):
        return self.daemon.begin(*options)["disk"]["vda"]["uri"]

    def end(self):
        self.daemon.abort()

    def close(self):
        self.daemon.terminate()


class Fleecing:
    """QEMU alone: the way of everybody without pullback."""

    name = "qemu-fleecing"

    def __init__(self, t, vm, scratch=None):
        """SCRATCH: the folder of the overlay."""
        self.vm = vm
        self.overlay = os.path.join(scratch or t.folder, "scratch.qcow2")
        self.socket = t.path("q")

    def begin(self):
        run("qemu-img", "create", "-q", "-f", "qcow2", self.overlay,
            str(self.vm.disks["vda"].size))
        qmp = self.vm.qmp
        qmp("blockdev-add", driver="qcow2", node_name="scratch",
            backing="node-vda", discard="unmap",
            file={"driver": "file", "filename": self.overlay})
        qmp("transaction", actions=[{
            "type": "blockdev-backup", "data": {
                "job-id": "fleece", "device": "node-vda", "sync": "none",
                "target": "scratch"}}])
        qmp("nbd-server-start",
            addr={"type": "unix", "data": {"path": self.socket}})
        qmp("block-export-add", type="nbd", id="fleece", name="vda",
            node_name="scratch")
        return f"nbd+unix:///vda?socket={self.socket}"

    def end(self):
        qmp = self.vm.qmp
        qmp("block-export-del", id="fleece", mode="hard")
        wait_until(lambda: not qmp("query-block-exports"), 20)
        qmp("nbd-server-stop")
        qmp("job-cancel", id="fleece")
        wait_until(lambda: not qmp("query-jobs"), 20)
        qmp("blockdev-del", node_name="scratch")
        os.unlink(self.overlay)


def fill(disk):
    """Data that compresses to nothing is not what disks hold."""
    raw = disk.path + ".fill"
    with open(raw, "wb") as out:
        block = os.urandom(4 * MIB)
        for number in range(disk.size // len(block)):
            out.write(number.to_bytes(8, "little") + block[8:])
    run("qemu-img", "convert", "-f", "raw", "-O", disk.form, raw, disk.path)
    os.unlink(raw)


def drop_page_cache():
    """So that every round reads as cold as the others, where we may."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as stream:
            stream.write("1")
    except OSError:
        pass
