#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""State folders that earlier daemons wrote (tests/data/state-COMMIT) are read
whole: every checkpoint has all it had and incremental backups go on from it, what
was half done is finished, and the backup in the journal is undone."""

import glob
import json
import os
import shutil
import subprocess
import uuid

from pullbacktest import MIB, VM, Daemon, Disk, main, pull_dirty, run, wait_until

GRANULE = 65536
SIZE = 8 * MIB
UUID = str(uuid.UUID(int=7 << 100))
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


def checkpoint(name, parent=None, state="committed", consumer="default",
               description=None, disks=("vda", "vdb"), gaps=(), lost=()):
    """As checkpoint-list has it."""
    told = {"name": name, "consumer": consumer, "state": state, "disks": [
        {"name": disk, "bitmap": name, "size": SIZE, "gap-before": disk in gaps,
         **({"lost": "bitmap-missing"} if disk in lost else {})}
        for disk in disks]}
    if parent:
        told["parent"] = parent
    if description:
        told["description"] = description
    return told


def first(**more):
    return checkpoint("mon", gaps=("vda", "vdb"), **more)


# What write-states.py did.
WRITTEN = {
    "chain": [first(),
              checkpoint("tue", "mon", consumer="nightly",
                         description="a <b> & \"c\" 'd' ä"),
              checkpoint("thu", "tue", gaps=("vdb",)),
              checkpoint("fri", "thu", consumer="weekly")],
    "tentative": [first(), checkpoint("tue", "mon", "tentative")],
    "deleting": [first(), checkpoint("tue", "mon", "deleting", lost=("vda",)),
                 checkpoint("wed", "tue")],
    "named": [checkpoint("mon", disks=("first", "second"),
                         gaps=("first", "second"))],
    "ready": [first(), checkpoint("tue", "mon", "tentative")],
    "after-journal": [first()],
    "after-attach-sink": [first()],
    "after-freeze": [first(), checkpoint("tue", "mon", "tentative")],
}
JOURNALS = [case for case in WRITTEN if case == "ready" or "after" in case]


def put_files(folder, state, values):
    """FOLDER's files with what VALUES says in the place of @NAMES@."""
    for place, _, files in os.walk(folder):
        to = os.path.join(state, os.path.relpath(place, folder))
        os.makedirs(to, exist_ok=True)
        for file in files:
            with open(os.path.join(place, file)) as stream:
                text = stream.read()
            for name, value in values.items():
                text = text.replace(f"@{name}@", value)
            with open(os.path.join(to, file), "w") as stream:
                stream.write(text)
    os.unlink(os.path.join(state, "qemu.json"))


def check_list(t, folder, have, want):
    def say(text):
        return f"{os.path.relpath(folder, DATA)}: {text}"

    for c in have:
        t.check(c.pop("creation-time") > 1795000000, say(f"time of {c}"))
    for one, other in zip(have, want):
        t.check(one == other, say(f"have {one}, want {other}"))
    t.check(len(have) == len(want), say(f"{len(have)} listed"))


class Bench:
    """What was on the machine when the older daemon wrote FOLDER."""

    count = 0

    def __init__(self, t, folder):
        Bench.count += 1
        self.t, self.folder = t, folder
        self.case = os.path.basename(folder)
        with open(os.path.join(folder, "qemu.json")) as stream:
            self.qemu = json.load(stream)
        stem = t.path(f"i{Bench.count}")
        self.vm = VM(t, [Disk("vda", "raw", SIZE, path=stem + ".raw"),
                         Disk("vdb", "qcow2", SIZE, path=stem + ".qcow2")],
                     boot=False, more=("-uuid", UUID))
        self.truth = {"vda": bytearray(SIZE), "vdb": bytearray(SIZE)}
        self.copies = {}
        self.daemon = Daemon(t, name=f"d{Bench.count}")
        self.daemon.terminate()
        self.values = self.places()
        self.make_bitmaps()

    # --- the files -----------------------------------------------------

    def places(self):
        with open(f"/proc/{self.vm.pid}/stat") as stream:
            started = stream.read().rsplit(")", 1)[1].split()[19]
        places = {"RUNTIME": self.daemon.runtime, "STATE": self.daemon.state,
                  "SCRATCH": self.daemon.scratch, "QMP": self.vm.qmp_path,
                  "AGENT": self.vm.agent_path, "UUID": UUID,
                  "QEMU": f"{self.vm.pid}-{started}"}
        for name, disk in self.vm.disks.items():
            places[name] = disk.path
            for word, form in (("inode", "%i"), ("born", "%.9W")):
                said = run("stat", "-c", f"{word} {form}", disk.path).stdout
                places[f"{name}.{word}"] = said.strip()
        return places

    def start(self):
        put_files(self.folder, os.path.join(self.daemon.state, "vm1"),
                  self.values)
        self.daemon.start()

    # --- QEMU ----------------------------------------------------------

    def write(self, disk):
        at = self.t.random.randrange(SIZE // GRANULE) * GRANULE
        byte = self.t.random.randrange(1, 256)
        said = self.vm.qmp.hmp(
            f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
            f"\"write -P {byte} {at} 4096\"")
        self.t.check(not said.strip(), f"qemu-io: {said}")
        self.truth[disk][at:at + 4096] = bytes([byte]) * 4096

    def make_bitmaps(self):
        """Each begins where the one before ends, and has some writes."""
        order = [c["name"] for c in WRITTEN[self.case]]
        for disk, bitmaps in self.qemu["bitmaps"].items():
            node, names = f"node-{disk}", [name for name, _ in bitmaps if name]
            for name in [n for n in names if n not in order]:
                self.vm.qmp("block-dirty-bitmap-add",
                            {"node": node, "name": name, "disabled": True})
            before = None
            for name in [n for n in order if n in names]:
                self.vm.qmp("block-dirty-bitmap-add",
                            {"node": node, "name": name, "persistent":
                             disk == "vdb", "granularity": GRANULE})
                if before:
                    self.vm.qmp("block-dirty-bitmap-disable",
                                {"node": node, "name": before})
                before = name
                path = self.t.path(f"{disk}.{Bench.count}.{name}")
                with open(path, "wb") as stream:
                    stream.write(self.truth[disk])
                self.copies[disk, name] = path
                self.write(disk)

    def make_backup(self):
        """Sinks, jobs and filters by the names that they had."""
        sinks = [name for name in self.qemu["nodes"] if "sink" in name]
        for sink in sinks:
            disk = ["vda", "vdb"][int(sink[-1])]
            self.vm.qmp("blockdev-add", {
                "driver": "nbd", "node-name": sink, "export": disk,
                "server": {"type": "unix", "path": self.sink()}})
            job = sink.replace("sink", "job")
            if job in self.qemu["jobs"]:
                self.vm.qmp("blockdev-backup", {
                    "job-id": job, "device": f"node-{disk}", "target": sink,
                    "sync": "none", "auto-dismiss": False,
                    "filter-node-name": sink.replace("sink", "cbw")})

    def sink(self):
        """Takes what QEMU sends, by any name."""
        path = os.path.join(self.daemon.runtime, "vm1", "sink.sock")
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path))
            process = subprocess.Popen(
                ["nbdkit", "--foreground", "-U", path, "memory", str(SIZE)],
                stdin=subprocess.DEVNULL)
            self.t.defer(process.wait)
            self.t.defer(process.kill)
            wait_until(lambda: run("nbdinfo", "--size", f"nbd+unix:///?socket={path}",
                                   check=False).returncode == 0, 10,
                       "nbdkit does not listen")
        return path

    # --- the daemon of today -------------------------------------------

    def say(self, text):
        return f"{os.path.relpath(self.folder, DATA)}: {text}"

    def checkpoints(self):
        return self.daemon.cli("checkpoint-list", "vm1")["checkpoints"]

    def check_list(self, want):
        check_list(self.t, self.folder, self.checkpoints(), want)

    def check_incremental(self, base, full=()):
        """FULL: {disk: why it is}"""
        full = dict(full)
        disks = self.daemon.begin("--incremental", base)["disk"]
        for disk, told in disks.items():
            said = self.say(f"{disk} since {base}: {told.get('reason')}")
            if disk in full:
                self.t.check(told.get("reason") == full[disk], said)
            elif self.t.check(told["mode"] == "incremental", said):
                copy = self.copies[disk, base]
                pull_dirty(told, copy)
                with open(copy, "rb") as stream:
                    self.t.check(stream.read() == self.truth[disk],
                                 self.say(f"{disk} since {base} differs"))
        self.daemon.commit()

    def end(self):
        self.daemon.end()
        self.vm.end()


def read_without_qemu(t, folder, daemon):
    """Nothing can be settled then."""
    values = {"QMP": "/nonexistent/qmp", "AGENT": "/nonexistent/agent",
              "UUID": UUID, "QEMU": "1-1",
              "RUNTIME": daemon.runtime, "SCRATCH": daemon.scratch}
    for case in WRITTEN:
        state = os.path.join(daemon.state, "vm1")
        put_files(os.path.join(folder, case), state, values)
        daemon.start()
        check_list(t, os.path.join(folder, case), daemon.cli(
            "checkpoint-list", "vm1")["checkpoints"], WRITTEN[case])
        daemon.terminate()
        shutil.rmtree(state)


def go_on(t, folder):
    """Somebody had redefined thu; which images it is of nobody has noted."""
    b = Bench(t, folder)
    b.start()
    b.check_incremental("fri")
    for base in ("thu", "tue"):
        b.check_incremental(base, {"vda": "disk-replaced",
                                   "vdb": "disk-replaced"})
    b.end()


def other_image(t, folder):
    """The files tell which image and which QEMU a bitmap is of."""
    b = Bench(t, folder)
    b.values["vdb.inode"] += "0"
    b.values["QEMU"] = "1-1"
    b.start()
    b.check_incremental("thu", {"vda": "raw-restarted",
                                "vdb": "disk-replaced"})
    b.end()


def settle(t, folder, left):
    b = Bench(t, folder)
    b.start()
    wait_until(lambda: all(c["state"] == "committed" for c in b.checkpoints()),
               60, b.say("not settled"))
    b.check_list(left)
    if b.case == "deleting":
        b.check_incremental("wed")
    b.check_incremental("mon", {"vda": "chain-gap"} if b.case == "deleting"
                        else {})
    b.end()


def names(t, folder):
    b = Bench(t, folder)
    b.start()
    disks = b.daemon.cli("domain-info", "vm1")["disks"]
    t.check(sorted(d["name"] for d in disks) == ["first", "second"],
            b.say(disks))
    said = b.daemon.refuses("checkpoint-create", "vm1", "x", "--quiesce")
    t.check(b.vm.agent_path in said, b.say(f"the agent: {said}"))
    b.end()


def undo_backup(t, folder):
    b = Bench(t, folder)
    before = b.vm.state()
    b.make_backup()
    b.start()
    wait_until(lambda: not b.daemon.files_left(), 60,
               lambda: b.say(f"left: {b.daemon.files_left()}"))
    b.check_list([first()])
    b.vm.assert_clean(before, {f"node-{disk}": [("mon", True)]
                               for disk in ("vda", "vdb")})
    b.check_incremental("mon")
    b.end()


def test(t):
    folders = sorted(glob.glob(os.path.join(DATA, "state-*")))
    t.check(len(folders) >= 2, f"no data in {DATA}")
    daemon = Daemon(t)
    daemon.terminate()
    for folder in folders:
        def of(case, folder=folder):
            return os.path.join(folder, case)

        read_without_qemu(t, folder, daemon)
        go_on(t, of("chain"))
        other_image(t, of("chain"))
        settle(t, of("tentative"), [first()])
        settle(t, of("deleting"), [first(), checkpoint("wed", "mon",
                                                       gaps=("vda",))])
        names(t, of("named"))
        for case in JOURNALS:
            undo_backup(t, of(case))


main(test)
