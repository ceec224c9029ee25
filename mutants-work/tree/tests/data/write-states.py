#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes state folders as this build's daemon does, for tests of later ones:

    ./run tests/data/write-states.py tests/data/state-COMMIT

Needs --enable-stop-after.  One folder per case below, with the domain's files and
with qemu.json, what QEMU had of ours then.  What is of this machine and this run is
replaced by @NAMES@, which states.py fills in."""

import json
import os
import re
import shutil
import sys
import uuid

from pullbacktest import MIB, VM, Daemon, Disk, main, run, wait_until

SIZE = 8 * MIB
UUID = str(uuid.UUID(int=7 << 100))
DOMAIN = """<domain type='kvm'>
  <name>machine</name>
  <uuid>{uuid}</uuid>
  <devices>
    <disk type='file' device='disk'>
      <source file='{vda}'/><target dev='sda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <source file='{vdb}'/><target dev='sdb' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


class Bench:
    def __init__(self, t, case):
        self.t, self.case = t, case
        self.vm = VM(t, [Disk("vda", "raw", SIZE, path=t.path(f"{case}.raw")),
                         Disk("vdb", "qcow2", SIZE,
                              path=t.path(f"{case}.qcow2"))],
                     boot=False, more=("-uuid", UUID))
        self.daemon = Daemon(t)

    def cli(self, *words, **more):
        return self.daemon.cli(*words, **more)

    def stop_after(self, step, *words):
        """The daemon dies after STEP of the command."""
        self.daemon.terminate()
        self.daemon.env["PULLBACK_STOP_AFTER"] = step
        self.daemon.start()
        self.cli(*words, check=False)
        self.daemon.process.wait(timeout=60)

    def document(self, name):
        path = self.t.path("document.xml")
        with open(path, "w") as stream:
            stream.write(self.cli("checkpoint-dumpxml", "vm1", name)["xml"])
        return path

    # --- what is written down ------------------------------------------

    def qemu(self):
        state = self.vm.state()
        return {"bitmaps": {
            node[len("node-"):]: [[b[0], b[1]] for b in bitmaps]
            for node, bitmaps in state["bitmaps"].items()
            if node.startswith("node-")},
            "nodes": sorted(name for name, _ in state["nodes"]
                            if name.startswith("pullback-")),
            "jobs": sorted(job["id"] for job in state["jobs"])}

    def places(self):
        with open(f"/proc/{self.vm.pid}/stat") as stream:
            started = stream.read().rsplit(")", 1)[1].split()[19]
        places = [(self.daemon.runtime, "@RUNTIME@"),
                  (self.daemon.scratch, "@SCRATCH@"),
                  (self.daemon.state, "@STATE@"),
                  (self.vm.qmp_path, "@QMP@"),
                  (self.vm.agent_path, "@AGENT@"),
                  (f"{self.vm.pid}-{started}", "@QEMU@"), (UUID, "@UUID@")]
        for name, disk in self.vm.disks.items():
            inode = run("stat", "-c", "inode %i", disk.path).stdout.strip()
            born = run("stat", "-c", "born %.9W", disk.path).stdout.strip()
            places += [(disk.path, f"@{name}@"), (inode, f"@{name}.inode@"),
                       (born, f"@{name}.born@")]
        return places

    def generic(self, text):
        text = text.replace("\\/", "/")
        for own, name in self.places():
            # A folder's name may be the beginning of another file's.
            text = re.sub(re.escape(own) + r"(?![\w.])", name, text)
        if re.search(r"pb\.|born \d|inode \d", text):
            raise ValueError(f"of this run: {text}")
        return text

    def write(self, folder):
        top = os.path.join(folder, self.case)
        shutil.rmtree(top, ignore_errors=True)
        source = os.path.join(self.daemon.state, "vm1")
        for place, _, files in os.walk(source):
            to = os.path.join(top, os.path.relpath(place, source))
            os.makedirs(to, exist_ok=True)
            for file in files:
                with open(os.path.join(place, file)) as stream:
                    text = self.generic(stream.read())
                with open(os.path.join(to, file), "w") as stream:
                    stream.write(text)
        with open(os.path.join(top, "qemu.json"), "w") as stream:
            json.dump(self.qemu(), stream, sort_keys=True)
            stream.write("\n")

    def end(self):
        """With what a backup left undone."""
        self.daemon.env.pop("PULLBACK_STOP_AFTER", None)
        if self.daemon.process.poll() is not None:
            self.daemon.start()
        wait_until(lambda: not self.daemon.files_left()
                   and not self.daemon.children(), 60, "it is not undone")
        self.daemon.end()
        self.vm.end()
        for folder in (self.daemon.state, self.daemon.scratch,
                       self.daemon.runtime):
            shutil.rmtree(folder)


# --- the cases ----------------------------------------------------------

def chain(b):
    """Every kind of checkpoint that is not half done."""
    b.daemon.add(b.vm)
    b.cli("backup-begin", "vm1", "--checkpoint", "mon")
    b.cli("backup-commit", "vm1")
    b.cli("checkpoint-create", "vm1", "tue", "--consumer", "nightly",
          "--description", "a <b> & \"c\" 'd' \u00e4")
    b.cli("checkpoint-create", "vm1", "wed", "--disk", "vdb")
    b.cli("checkpoint-create", "vm1", "thu")
    # Its going leaves a gap before the next.
    b.cli("checkpoint-delete", "vm1", "wed", "--metadata")
    document = b.document("thu")
    b.cli("checkpoint-delete", "vm1", "thu", "--metadata")
    b.cli("checkpoint-create", "vm1", "--xmlfile", document,
          "--redefine")
    b.cli("checkpoint-create", "vm1", "fri", "--consumer", "weekly")


def tentative(b):
    b.daemon.add(b.vm)
    b.cli("checkpoint-create", "vm1", "mon")
    b.stop_after("create-bitmaps", "checkpoint-create", "vm1", "tue")


def deleting(b):
    """With a bitmap that somebody removed."""
    b.daemon.add(b.vm)
    for name in ("mon", "tue", "wed"):
        b.cli("checkpoint-create", "vm1", name)
    b.vm.qmp("block-dirty-bitmap-remove", {"node": "node-vda", "name": "tue"})
    b.stop_after("delete-intent", "checkpoint-delete", "vm1", "tue")


def named(b):
    """Registered with everything that domain-add takes."""
    path = b.t.path("domain.xml")
    with open(path, "w") as stream:
        stream.write(DOMAIN.format(uuid=UUID, vda=b.vm.disks["vda"].path,
                                   vdb=b.vm.disks["vdb"].path))
    b.daemon.add(b.vm, "--agent", b.vm.agent_path, "--xml", path, "--disk",
                 "first=node-vda", "--disk", "second=node-vdb")
    b.cli("checkpoint-create", "vm1", "mon")


def begin(b):
    b.daemon.add(b.vm)
    b.cli("checkpoint-create", "vm1", "mon")


def ready(b):
    begin(b)
    b.cli("backup-begin", "vm1", "--checkpoint", "tue", "--incremental", "mon")
    b.daemon.kill9()


def stopped(step):
    def case(b):
        begin(b)
        b.stop_after(step, "backup-begin", "vm1", "--checkpoint", "tue",
                     "--incremental", "mon")
    return case


CASES = {"chain": chain, "tentative": tentative, "deleting": deleting,
         "named": named, "ready": ready,
         **{f"after-{step}": stopped(step) for step in
            ("journal", "attach-sink", "freeze")}}


def test(t):
    run("pullback-backupd", "--list-steps")
    for case, make in CASES.items():
        b = Bench(t, case)
        make(b)
        b.write(folder)
        b.end()


folder = os.path.abspath(sys.argv.pop(1))
main(test)
