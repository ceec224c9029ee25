# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real thing of model.py: QEMU without a guest, whose disks are written
by its monitor, the daemon, and what must be true of both at any time."""

import os
import subprocess

from pullbacktest import (VM, Daemon, Disk, Failed, QmpError, compare, need,
                          wait_until)
from pullbacktest.control import Control, ControlError

OURS = "pullback-"


class ModelDisk(Disk):
    """A disk whose image may get overlays.  SCSI ones can be unplugged
    without a guest's help."""

    def __init__(self, name, form, size, scsi=False):
        super().__init__(name, form, size)
        self.scsi = scsi
        self.first_form = form
        self.generation = 0
        self.nodes = [self.node]    # that we can name, the active one last
        self.below = []             # (node, path, form) of nodes[:-1]
        self.layers = 1             # image files

    def new_path(self, folder, form):
        self.generation += 1
        return os.path.join(folder, f"{self.name}.{self.generation}.{form}")

    def blockdev(self):
        return {"driver": self.form, "node-name": self.node,
                "discard": "unmap",
                "file": {"driver": "file", "filename": self.path,
                         "discard": "unmap"}}

    def scsi_device(self):
        return {"driver": "scsi-hd", "id": self.name, "drive": self.node,
                "bus": "scsi0.0"}

    def arguments(self):
        words = super().arguments()
        if self.scsi:
            words = words[:2] + ["-device", "virtio-scsi-pci,id=scsi0",
                                 "-device", f"scsi-hd,id={self.name},"
                                 f"drive={self.node},bus=scsi0.0"]
        return words


class World:
    def __init__(self, t, disks):
        self.t = t
        self.vm = VM(t, disks, boot=False)
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)
        self.control = Control(self.daemon.socket)
        t.defer(self.control.close)

    def disk(self, name):
        return self.vm.disks[name]

    def ask(self, verb, **arguments):
        return self.control(verb, domain="vm1", **arguments)

    # --- the guest's part -------------------------------------------------

    def io(self, name, *words):
        """qemu-io on the guest's disk; its failures come to QEMU's log."""
        command = " ".join(str(word) for word in words)
        device = name if self.disk(name).scsi \
            else f"/machine/peripheral/{name}/virtio-backend"
        text = self.vm.qmp.hmp(f'qemu-io -d {device} "{command}"')
        if "rror" in text or "failed" in text:
            raise Failed(f"{name}: {command}: {text.strip()}")

    def assert_no_io_errors(self):
        with open(self.vm.log_path) as log:
            wrong = [line for line in log
                     if line.startswith(("write failed", "discard failed"))]
        if wrong:
            raise Failed(f"a write of the guest failed: {wrong[0].strip()}")

    # --- ends and restarts ------------------------------------------------

    def restart_daemon(self, kill, goes_on=False):
        self.control.close()
        if kill:
            self.daemon.kill9()
        else:
            self.daemon.terminate()
            self.daemon.assert_nothing_left()
        self.daemon.start()
        if goes_on:
            info = self.ask("backup-info")
            need(info["state"] == "ready" and info["adopted"] > 0,
                 f"the backup does not go on: {info}")
            return
        wait_until(self.is_recovered, 30, lambda: "the daemon has not "
                   f"recovered: {self.ask('checkpoint-list')}, "
                   f"{self.daemon.children()}, {self.daemon.files_left()}")

    def is_recovered(self):
        """Nothing of a backup is left, and nothing is half done."""
        try:
            backups = self.control("backup-list")["backups"]
            if backups:
                # It was ready when the daemon was killed, and was taken over.
                if backups[0]["state"] == "ready":
                    self.ask("backup-abort")
                return False
            found = self.ask("checkpoint-list")["checkpoints"]
        except ControlError:
            return False
        except (OSError, EOFError):
            # A child that the killed daemon was just starting may hold its
            # listening socket for a moment.
            self.control.close()
            return False
        return all(c["state"] == "committed" or ".unplugged-" in c["name"]
                   for c in found) \
            and not self.daemon.children() and not self.daemon.files_left()

    def end_vm(self, kill):
        self.end_vm_now(kill)
        self.daemon.assert_nothing_left(deadline=30)

    def end_vm_now(self, kill):
        if kill:
            # What QEMU alone knows of a qcow2 image dies with it.
            for name in self.vm.disks:
                if self.has_device(name):
                    self.io(name, "flush")
            self.vm.kill9()
        else:
            self.vm.quit()

    def start_vm(self):
        for disk in self.vm.disks.values():
            disk.nodes, disk.below = [disk.node], []
        self.vm.start()

        def answers():
            try:
                self.control("domain-info", name="vm1")
                return True
            except ControlError:
                return False

        wait_until(answers, 30, "the daemon does not find the new QEMU")

    # --- changes of the graph ---------------------------------------------

    def has_device(self, name):
        return any(name in (d.get("qdev") or "").split("/")
                   for d in self.vm.qmp("query-block"))

    def unplug(self, name):
        disk, qmp = self.disk(name), self.vm.qmp
        qmp("device_del", id=name)
        wait_until(lambda: not self.has_device(name), 20,
                   f"{name} is not unplugged")
        for node in reversed(disk.nodes):
            qmp("blockdev-del", node_name=node)
        disk.nodes, disk.below = [], []

    def plug(self, name):
        disk = self.disk(name)
        self.vm.qmp("blockdev-add", disk.blockdev())
        self.vm.qmp("device_add", disk.scsi_device())
        disk.nodes = [disk.node]

    def replace_image(self, name, size):
        """While it is unplugged: another, empty image."""
        disk = self.disk(name)
        disk.path = disk.new_path(self.t.folder, disk.form)
        disk.size, disk.layers = size, 1
        disk.create(self.t.folder)

    def snapshot(self, name, size):
        """An overlay becomes the active layer, as libvirt's snapshots do."""
        disk, qmp = self.disk(name), self.vm.qmp
        path = disk.new_path(self.t.folder, "qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b",
                        disk.path, "-F", disk.form, path, str(size)],
                       check=True)
        node = f"node-{name}-{disk.generation}"
        qmp("blockdev-add", {"driver": "qcow2", "node-name": node,
                             "discard": "unmap", "backing": None,
                             "file": {"driver": "file", "filename": path,
                                      "discard": "unmap"}})
        qmp("blockdev-snapshot", node=disk.node, overlay=node)
        disk.below.append((disk.node, disk.path, disk.form))
        disk.nodes.append(node)
        disk.node, disk.path, disk.form = node, path, "qcow2"
        disk.layers += 1

    def commit_overlay(self, name):
        """The newest overlay goes into the image below it; false where that is
        smaller and of a kind that QEMU does not resize here."""
        disk, qmp = self.disk(name), self.vm.qmp
        job = f"commit-{name}"

        def told():
            qmp("query-jobs")
            return [event for event in qmp.events
                    if event["data"].get("device") == job]

        for event in told():
            qmp.events.remove(event)
        qmp("block-commit", device=disk.node, job_id=job,
            base_node=disk.below[-1][0])
        event = wait_until(told, 20, f"{job} does not start")[0]
        qmp.events.remove(event)
        if event["data"].get("error") == "Operation not supported":
            return False
        need(event["event"] == "BLOCK_JOB_READY", f"{job}: {event}")
        qmp("block-job-complete", device=job)
        qmp.wait_event("BLOCK_JOB_COMPLETED")
        wait_until(lambda: not qmp("query-jobs"), 20, f"{job} does not end")
        qmp("blockdev-del", node_name=disk.node)
        disk.nodes.pop()
        disk.node, disk.path, disk.form = disk.below.pop()
        disk.layers -= 1
        return True

    def flatten(self, name):
        """While QEMU is down: one image again, as the first one was."""
        disk = self.disk(name)
        path = disk.new_path(self.t.folder, disk.first_form)
        subprocess.run(["qemu-img", "convert", "-f", disk.form, "-O",
                        disk.first_form, disk.path, path], check=True)
        disk.path, disk.form, disk.layers = path, disk.first_form, 1

    # --- what is there ----------------------------------------------------

    def nodes(self):
        found = self.vm.qmp("query-named-block-nodes", flat=True)
        return {node["node-name"]: node for node in found}

    def bitmaps(self, name, nodes=None):
        """Of the active layer, by name."""
        node = (nodes or self.nodes()).get(self.disk(name).node, {})
        return {b["name"]: b for b in node.get("dirty-bitmaps", [])
                if b.get("name")}

    def bitmap_command(self, verb, name, bitmap):
        try:
            self.vm.qmp(f"block-dirty-bitmap-{verb}",
                        node=self.disk(name).node, name=bitmap)
        except QmpError as error:
            raise Failed(f"{verb} {bitmap} of {name}: {error}")

    def assert_no_traces(self, nodes):
        """No backup runs: nothing in QEMU, on disk or in /proc is of one."""
        qmp = self.vm.qmp
        wrong = [name for name in nodes if name.startswith(OURS)]
        wrong += [b["name"] for node in nodes.values()
                  for b in node.get("dirty-bitmaps", [])
                  if b.get("name", "").startswith(OURS)]
        wrong += qmp("query-jobs") + qmp("query-block-exports")
        if wrong:
            raise Failed(f"left in QEMU without a backup: {wrong}")
        self.daemon.assert_nothing_left()


def same_content(t, name, granules, path):
    """Fails unless the file is these granules."""
    with open(t.path("want"), "wb") as want:
        want.writelines(granules)
    offset = compare(t.path("want"), path)
    if offset is not None:
        raise Failed(f"{name} differs from the model at byte {offset}")
