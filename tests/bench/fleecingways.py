# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ways to have a point in time of a disk, for benchmarks: pullback's, and
QEMU alone.  Each begin () gives a URI to pull, each end () takes all away."""

import os
import time

from pullbacktest import MIB, Daemon, run, wait_until


class Pullback:
    name = "pullback"

    def __init__(self, t, vm, daemon=None, domain="vm1", **more):
        """MORE: what Daemon takes, where none is given."""
        self.daemon = daemon or Daemon(t, **more)
        self.vm = vm
        self.domain = domain
        self.backup = None
        nodes = [f"--disk={disk.name}={disk.node}" for disk in vm.disks.values()
                 if not disk.device]
        self.daemon.add(vm, *nodes, name=domain)

    def begin(self, *options):
        """The URI of the first disk; those of all are in self.uris."""
        self.backup = self.daemon.begin(*options, name=self.domain)
        self.frozen_ms = self.backup["frozen-ms"]
        self.uris = {disk["name"]: disk["uri"] for disk in self.backup["disks"]}
        return next(iter(self.uris.values()))

    def processes(self):
        """{role: pid} of this backup."""
        return {**self.daemon.processes(self.domain), "daemon": self.daemon.pid}

    def end(self):
        self.daemon.abort(self.domain)

    def close(self):
        self.daemon.terminate()


class Fleecing:
    """QEMU alone: the way of everybody without pullback."""

    name = "qemu-fleecing"

    def __init__(self, t, vm, scratch=None, bitmap=None):
        """SCRATCH: the folder of the overlays.  BITMAP: of all disks, what it has
        recorded until begin () is exported as "frozen"."""
        self.vm = vm
        self.folder = scratch or t.folder
        self.socket = t.path(f"{vm.name}.q")
        self.bitmap = bitmap

    def overlay(self, name):
        return os.path.join(self.folder, f"{self.vm.name}-{name}.scratch")

    def processes(self):
        return {}

    def begin(self):
        qmp, actions = self.vm.qmp, []
        for name, disk in self.vm.disks.items():
            run("qemu-img", "create", "-q", "-f", "qcow2", self.overlay(name),
                str(disk.size))
            qmp("blockdev-add", driver="qcow2", node_name=f"scratch-{name}",
                backing=disk.node, discard="unmap",
                file={"driver": "file", "filename": self.overlay(name)})
            actions += self._freeze(name, disk)
        start = time.monotonic()
        qmp("transaction", actions=actions)
        self.frozen_ms = (time.monotonic() - start) * 1000
        qmp("nbd-server-start",
            addr={"type": "unix", "data": {"path": self.socket}})
        for name, disk in self.vm.disks.items():
            bitmaps = [{"node": disk.node, "name": "frozen"}]
            qmp("block-export-add", type="nbd", id=f"fleece-{name}", name=name,
                node_name=f"scratch-{name}",
                **{"bitmaps": bitmaps} if self.bitmap else {})
        self.uris = {name: f"nbd+unix:///{name}?socket={self.socket}"
                     for name in self.vm.disks}
        return next(iter(self.uris.values()))

    def _freeze(self, name, disk):
        """Of a transaction."""
        actions = [{"type": "blockdev-backup", "data": {
            "job-id": f"fleece-{name}", "device": disk.node, "sync": "none",
            "target": f"scratch-{name}"}}]
        if self.bitmap:
            actions += [
                {"type": "block-dirty-bitmap-add", "data": {
                    "node": disk.node, "name": "frozen", "disabled": True}},
                {"type": "block-dirty-bitmap-merge", "data": {
                    "node": disk.node, "target": "frozen",
                    "bitmaps": [self.bitmap]}}]
        return actions

    def end(self):
        qmp = self.vm.qmp
        for name in self.vm.disks:
            qmp("block-export-del", id=f"fleece-{name}", mode="hard")
        wait_until(lambda: not qmp("query-block-exports"), 20)
        qmp("nbd-server-stop")
        for name in self.vm.disks:
            qmp("job-cancel", id=f"fleece-{name}")
        wait_until(lambda: not qmp("query-jobs"), 20)
        for name, disk in self.vm.disks.items():
            qmp("blockdev-del", node_name=f"scratch-{name}")
            if self.bitmap:
                qmp("block-dirty-bitmap-remove", node=disk.node, name="frozen")
            os.unlink(self.overlay(name))


def fill(disk):
    """Data that compresses to nothing is not what disks hold."""
    raw = disk.path + ".fill"
    with open(raw, "wb") as out:
        block = os.urandom(4 * MIB)
        for number in range(disk.size // len(block)):
            out.write(number.to_bytes(8, "little") + block[8:])
    run("qemu-img", "convert", "-f", "raw", "-O", disk.form, raw, disk.path)
    os.unlink(raw)


def fill_chain(disk, depth):
    """As fill (), with DEPTH overlays of which each has a part of the data.  The
    files, the disk's own last."""
    own, files = disk.path, [f"{disk.path}.{number}" for number in range(depth)]
    disk.path = files[0]
    fill(disk)
    disk.path = own
    for number, path in enumerate([*files[1:], own]):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
            files[number], path)
        # Every fourth MiB, another one in each.
        script = path + ".commands"
        with open(script, "w") as stream:
            stream.writelines(f"write -q -P {number + 1} {at} {MIB}\n" for at in
                              range(number * MIB, disk.size, 4 * MIB))
        with open(script) as stream:
            run("qemu-io", "-f", "qcow2", path, stdin=stream)
        os.unlink(script)
    return [*files, own]


def forget(*paths):
    """What is clean of these files leaves the page cache."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def make_cold(*paths):
    """Nothing of these files is in the page cache."""
    run("sync", *paths)
    forget(*paths)


def discards():
    """All that were made so far."""
    with open("/proc/diskstats") as stream:
        return [line.split()[14:15] for line in stream]


def let_discards_end():
    """Ext4 mounted with "discard" makes them after its commit, so that sync does not
    wait for those of files that were removed: the next side would.  Others may never
    end: not for long."""
    end = time.monotonic() + 10
    before = None
    while before != discards() and time.monotonic() < end:
        before = discards()
        time.sleep(0.3)


def drop_page_cache():
    """So that every round finds the disk as the others do, and reads as cold, where we
    may."""
    os.sync()
    let_discards_end()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as stream:
            stream.write("1")
    except OSError:
        pass
