#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints deleted whose bitmaps a snapshot has put on an image below, where QEMU
changes none: they count for the older checkpoints still, and are merged back when the
snapshot is committed, with a gap where they were lost meanwhile.  Until then what needs
their name is refused with what to do."""

from pullbacktest import (MIB, VM, Daemon, Disk, freeze, main, need, pull_dirty,
                          run, same, wait_until)

SIZE = 8 * MIB


class Machine:
    def __init__(self, t, daemon, name):
        self.t, self.daemon, self.name = t, daemon, name
        self.disk = Disk("vda", "qcow2", SIZE, path=t.path(f"{name}.base"))
        self.vm = VM(t, [self.disk], boot=False, name=name)
        self.base = self.disk.node, self.disk.path
        self.copy = t.path(f"{name}.copy")
        self.next = 0
        run("truncate", "-s", str(SIZE), self.copy)
        daemon.add(self.vm, name=name)

    def write(self):
        self.next += 1
        said = self.vm.qmp.hmp(
            "qemu-io -d /machine/peripheral/vda/virtio-backend "
            f"\"write -P {self.next} {self.next * 65536} 64k\"")
        need(not said.strip() or "wrote" in said, said)

    def create(self, *names):
        for name in names:
            self.daemon.cli("checkpoint-create", self.name, name)
            self.write()

    def snapshot(self):
        path = self.t.path(f"{self.name}.over")
        run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2",
            "-b", self.disk.path, path, str(SIZE))
        self.vm.qmp("blockdev-add", {
            "driver": "qcow2", "node-name": "over", "backing": None,
            "file": {"driver": "file", "filename": path}})
        self.vm.qmp("blockdev-snapshot", node=self.disk.node, overlay="over")
        self.disk.node, self.disk.path = "over", path
        self.write()

    def commit(self):
        qmp = self.vm.qmp
        qmp("block-commit", {"job-id": "j", "device": "over"})
        wait_until(lambda: [j["status"] for j in qmp("query-jobs")]
                   == ["ready"], 20, "not ready")
        qmp("job-complete", id="j")
        wait_until(lambda: not qmp("query-jobs"), 20, "not over")
        self.disk.node, self.disk.path = self.base
        self.write()

    def delete(self, *words):
        return self.daemon.cli("checkpoint-delete", self.name,
                               *words)["deleted"]

    def names(self, *want):
        found = self.daemon.cli("checkpoint-list", self.name)["checkpoints"]
        found = [c["name"].split("-")[0] for c in found]
        self.t.check(found == list(want), f"{self.name}: {found}, {want}")

    def bitmaps(self, **want):
        """Of the base: {name: does it record?}"""
        nodes = self.vm.qmp("query-named-block-nodes")
        found = {b["name"]: b["recording"] for n in nodes
                 if n["node-name"] == self.base[0]
                 for b in n.get("dirty-bitmaps", [])}
        self.t.check(found == want, f"{self.name}: {found}, want {want}")

    def take(self, since, *more, full=""):
        """What changed since SINCE makes the copy, of before that, right."""
        backup, references = freeze(self.t, self.vm, self.daemon,
                                    "--incremental", since, *more,
                                    name=self.name)
        disk = backup["disk"]["vda"]
        self.t.check(disk["reason"] == full,
                     f"{self.name}, since {since}: {disk['mode']} "
                     f"{disk['reason']}, want {full or 'incremental'}")
        if disk["mode"] == "incremental":
            run("truncate", "-s", "0", self.copy)
            run("truncate", "-s", str(SIZE), self.copy)
            pull_dirty(disk, self.copy)
            same(references["vda"], self.copy, f"{self.name}, since {since}")
        (self.daemon.commit if more else self.daemon.abort)(self.name)


def merged_back(t, daemon):
    machine = Machine(t, daemon, "vm1")
    # In the order of their making, whatever their names are.
    machine.create("sun", "mon", "eve", "dawn")
    machine.snapshot()
    machine.take("sun")
    t.check(machine.delete("mon") == ["mon"], "deleted")
    machine.take("sun")
    machine.names("sun", "mon.unplugged", "eve", "dawn")
    disk = daemon.begin("--all-bases")["disk"]["vda"]
    since = [base["checkpoint"] for base in disk["bases"]]
    t.check(since == ["sun", "eve", "dawn"], f"bases: {since}")
    daemon.abort()
    t.check(machine.delete("eve", "--children") == ["dawn", "eve"], "both")
    machine.names("sun", "mon.unplugged", "eve.unplugged", "dawn.unplugged")
    daemon.restart()
    machine.take("sun")
    machine.names("sun", "mon.unplugged", "eve.unplugged", "dawn.unplugged")
    for words in (["backup-begin", "vm1", "--checkpoint", "mon"],
                  ["checkpoint-delete", "vm1", "mon", "--bitmaps"]):
        daemon.refuses(*words, saying=["vda", "mon", "below", "blockcommit"])
    daemon.refuses("checkpoint-delete", "vm1", "mon", saying=["no checkpoint"])
    t.check("is not there" not in daemon.log_text(), "the log's reason")
    machine.commit()
    machine.take("sun", "--checkpoint", "mon")
    machine.names("sun", "mon")
    machine.bitmaps(sun=False, mon=True)


def oldest(t, daemon):
    """Has nobody to be merged into.  Those that are kept are not deleted twice."""
    machine = Machine(t, daemon, "vm2")
    machine.create("sun", "mon", "eve")
    machine.snapshot()
    machine.delete("mon")
    t.check(machine.delete("sun", "--children") == ["eve", "sun"], "all")
    machine.names("sun.unplugged", "mon.unplugged", "eve.unplugged")
    machine.commit()
    machine.create("new")
    machine.names("new")
    machine.bitmaps(new=True)


def long_names(t, daemon):
    machine = Machine(t, daemon, "vm7")
    machine.create("sun", *("x" * 160 + c for c in "abc"))
    machine.snapshot()
    machine.delete("x" * 160 + "a", "--children")
    machine.names("sun", *["x" * 150 + ".unplugged"] * 3)
    machine.take("sun")


def killed(t, daemon):
    """Between the two records of that: the old one is there still, and to be deleted."""
    machine = Machine(t, daemon, "vm6")
    machine.create("sun", "mon", "eve")
    machine.snapshot()
    record = f"{daemon.state}/vm6/checkpoints/mon.xml"
    with open(record) as file:
        text = file.read()
    need(text.count("committed") == 1, text)
    machine.delete("mon")
    daemon.kill9()
    with open(record, "w") as file:
        file.write(text.replace("committed", "deleting"))
    daemon.start()
    machine.take("sun")
    machine.names("sun", "mon.unplugged", "eve")
    machine.commit()
    machine.take("sun")
    machine.names("sun", "eve")


def gap(t, daemon):
    machine = Machine(t, daemon, "vm3")
    machine.create("sun", "lost", "mon", "eve")
    machine.delete("lost", "--metadata")
    machine.snapshot()
    machine.delete("mon")
    machine.take("sun", full="chain-gap")
    machine.commit()
    machine.take("sun", full="chain-gap")
    machine.names("sun", "eve")


def removed_meanwhile(t, daemon):
    machine = Machine(t, daemon, "vm4")
    machine.create("sun", "mon", "eve")
    machine.snapshot()
    machine.delete("mon")
    machine.vm.quit()
    machine.disk.node, machine.disk.path = machine.base
    run("qemu-img", "bitmap", "--remove", machine.disk.path, "mon")
    machine.vm.start()
    machine.take("sun", full="chain-gap")
    machine.names("sun", "eve")


def forgotten(t, daemon):
    """What is kept may be given up."""
    machine = Machine(t, daemon, "vm5")
    machine.create("sun", "mon", "eve")
    machine.snapshot()
    machine.delete("mon")
    kept = daemon.cli("checkpoint-list", "vm5")["checkpoints"][1]["name"]
    machine.delete(kept)
    machine.names("sun", "eve")
    machine.take("sun", full="chain-gap")
    machine.commit()
    machine.delete("mon", "--bitmaps")
    machine.bitmaps(sun=False, eve=True)


def test(t):
    daemon = Daemon(t)
    for case in (merged_back, oldest, gap, removed_meanwhile, forgotten,
                 long_names, killed):
        t.say(case.__name__)
        case(t, daemon)
    daemon.terminate()
    daemon.assert_nothing_left()


main(test)
