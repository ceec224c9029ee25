#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints deleted in every mode: what remains answers exactly what the guest
wrote since, and nothing records twice or stops recording."""

from pullbacktest import MIB, VM, Daemon, Disk, dirty_map, main, need

GRANULE = 65536


class Chain:
    """Writes one granule of its own after each checkpoint, and knows what a
    backup since any of them must show."""

    def __init__(self, t):
        self.t = t
        self.vm = VM(t, [Disk("vda", "raw", 16 * MIB),
                         Disk("vdb", "qcow2", 16 * MIB)], boot=False)
        self.daemon = Daemon(t)
        self.daemon.add(self.vm)
        self.written = []       # (after how many events, disk, granule)
        self.made = {}          # name: (when, disks)
        self.clock = 0
        self.next = 0

    def write(self, *disks):
        for disk in disks or ("vda", "vdb"):
            at = self.next % 200
            self.next += 1
            said = self.vm.qmp.hmp(
                f"qemu-io -d /machine/peripheral/{disk}/virtio-backend "
                f"\"write -P {at % 255} {at * GRANULE} 512\"")
            need(not said.strip(), f"qemu-io: {said}")
            self.written.append((self.clock, disk, at))

    def create(self, name, *disks):
        words = [w for d in disks for w in ("--disk", d)]
        self.daemon.cli("checkpoint-create", "vm1", name, *words)
        self.clock += 1
        self.made[name] = (self.clock, disks or ("vda", "vdb"))
        self.write()

    def delete(self, name, *words):
        return self.daemon.cli("checkpoint-delete", "vm1", name,
                               *words)["deleted"]

    def names(self):
        return [c["name"] for c in
                self.daemon.cli("checkpoint-list", "vm1")["checkpoints"]]

    def check(self, what, names, full=()):
        """FULL: (checkpoint, disk, reason)"""
        self.t.check(self.names() == list(names),
                     f"{what}: {self.names()}, want {list(names)}")
        full = {(n, d): r for n, d, r in full}
        for name in names:
            disks = self.daemon.begin("--incremental", name)["disk"]
            for disk in disks.values():
                self.check_disk(what, name, disk, full)
            self.daemon.abort()

    def check_disk(self, what, name, disk, full):
        when, covers = self.made[name]
        reason = full.get((name, disk["name"]))
        if disk["name"] not in covers:
            reason = "disk-new"
        if reason:
            self.t.check((disk["mode"], disk["reason"]) == ("full", reason),
                         f"{what}: {disk['name']} since {name}: "
                         f"{disk['mode']} {disk['reason']}, want {reason}")
            return
        if not self.t.check(disk["mode"] == "incremental",
                            f"{what}: {disk['name']} since {name}: full: "
                            f"{disk['reason']}"):
            return
        want = {g for w, d, g in self.written
                if d == disk["name"] and w >= when}
        have = {g for o, n in dirty_map(disk["uri"], disk["context"])
                for g in range(o // GRANULE, (o + n) // GRANULE)}
        self.t.check(have == want, f"{what}: {disk['name']} since {name}: "
                     f"{sorted(have)}, want {sorted(want)}")

    def check_bitmaps(self, what, **want):
        """{disk: [(name, recording)]}"""
        bitmaps = self.vm.state()["bitmaps"]
        for disk, names in want.items():
            have = sorted(b[:2] for b in bitmaps.get(f"node-{disk}", []))
            self.t.check(have == sorted(names),
                         f"{what}: bitmaps of {disk}: {have}")


def one_at_a_time(t, chain):
    for name in "abcdef":
        chain.create(name)
    chain.check("all six", "abcdef")
    t.check(chain.delete("c") == ["c"], "what was deleted")
    chain.check("middle", "abdef")
    chain.delete("e")
    chain.write()
    chain.check("second newest", "abdf")
    chain.delete("a")
    chain.check("oldest", "bdf")
    chain.delete("f")
    chain.write()
    chain.check("newest", "bd")
    chain.check_bitmaps("newest", vda=[("b", False), ("d", True)],
                        vdb=[("b", False), ("d", True)])
    chain.create("g")
    chain.check("one more", "bdg")
    for name in "gbd":
        chain.delete(name)
    chain.check_bitmaps("none", vda=[], vdb=[])


def per_disk(t, chain):
    chain.create("a")
    chain.create("b", "vda")
    chain.create("c", "vdb")
    chain.create("d", "vda")
    chain.create("e")
    chain.check("own chains", "abcde")
    chain.delete("c")
    chain.check("without c", "abde")
    chain.delete("d")
    chain.check("without d", "abe")
    chain.delete("e")
    chain.write()
    chain.check("without e", "ab")
    chain.check_bitmaps("own chains", vda=[("a", False), ("b", True)],
                        vdb=[("a", True)])
    t.check(chain.delete("a", "--children") == ["b", "a"], "all deleted")
    chain.check_bitmaps("none", vda=[], vdb=[])


def subtrees(t, chain):
    for name in "abcde":
        chain.create(name)
    t.check(chain.delete("c", "--children-only") == ["e", "d"],
            "the children of c")
    chain.write()
    chain.check("children only", "abc")
    t.check(chain.delete("b", "--children") == ["c", "b"], "b and below")
    chain.write()
    chain.check("children", "a")
    chain.check_bitmaps("children", vda=[("a", True)], vdb=[("a", True)])


def metadata(t, chain):
    chain.create("b")
    chain.create("c")
    chain.delete("b", "--metadata")
    both = ("vda", "vdb")
    chain.check("forgotten", "ac", [("a", d, "chain-gap") for d in both])
    # The newest is forgotten: nobody knows what is written from then on.
    chain.delete("c", "--metadata")
    chain.check("newest forgotten", "a",
                [("a", d, "bitmap-disabled") for d in both])
    chain.create("d")
    chain.check("a new start", "ad", [("a", d, "chain-gap") for d in both])
    chain.delete("d")
    chain.check("and its end", "a",
                [("a", d, "bitmap-disabled") for d in both])
    chain.create("d")
    # a's range was lost already: d must not look better through its going.
    chain.create("e")
    chain.delete("d")
    chain.check("gap is handed on", "ae",
                [("a", d, "chain-gap") for d in both])
    chain.check_bitmaps("metadata", vda=[("a", False), ("b", False),
                                         ("c", True), ("e", True)])
    chain.vm.quit()
    chain.daemon.refuses("checkpoint-delete", "vm1", "a", saying=["qmp"])
    t.check(chain.delete("a", "--metadata", "--children") == ["e", "a"],
            "without QEMU only the metadata can go")
    t.check(chain.names() == [], f"left: {chain.names()}")


def refusals(t, chain):
    refuses = chain.daemon.refuses
    refuses("checkpoint-delete", "vm1", "nix", saying=["nix"])
    refuses("checkpoint-create", "vm1", "a", saying=["already", "a"])
    refuses("checkpoint-create", "vm1", "a/b", saying=["a/b"])
    refuses("checkpoint-create", "vm1", "z", "--disk", "vdz", saying=["vdz"])
    chain.daemon.cli("checkpoint-create", "vm1", "theirs", "--consumer",
                     "other", "--description", "of somebody else")
    refuses("checkpoint-delete", "vm1", "theirs",
            saying=["theirs", "belongs to", "--consumer other"])
    refuses("checkpoint-delete", "vm1", "a", "--children",
            saying=["theirs", "--consumer other"])
    t.check(chain.names() == ["a", "theirs"], f"refused: {chain.names()}")
    chain.daemon.begin()
    for words in (["checkpoint-delete", "vm1", "a"],
                  ["checkpoint-delete", "vm1", "a", "--metadata"],
                  ["checkpoint-create", "vm1", "z"]):
        refuses(*words, saying=["busy", "default"])
    chain.daemon.abort()
    chain.delete("theirs", "--consumer", "other")
    chain.vm.qmp("block-dirty-bitmap-add", node="node-vdb", name="mine")
    refuses("checkpoint-create", "vm1", "mine", saying=["vdb", "mine"])
    chain.vm.qmp("block-dirty-bitmap-remove", node="node-vdb", name="mine")


def test(t):
    chain = Chain(t)
    chain.write()
    for case in (one_at_a_time, per_disk, subtrees, refusals, metadata):
        t.say(case.__name__)
        case(t, chain)


main(test)
