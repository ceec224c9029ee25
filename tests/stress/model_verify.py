# SPDX-License-Identifier: LGPL-2.1-or-later
"""model.py's judge: what a backup shows against the truth, and what QEMU and
the catalog have against what the model says they must."""

from pullbacktest import Failed, need
from pullbacktest.clients import data_map, dirty_map, open_nbd

from model_truth import GRANULE


def granules_of(ranges, size, what):
    """The set of granules in RANGES, which must be whole ones."""
    found = set()
    for offset, length in ranges:
        end = offset + length
        need(offset % GRANULE == 0 and (end % GRANULE == 0 or end == size),
             f"{what}: the extent {offset}+{length} is not of whole granules")
        found.update(range(offset // GRANULE, (end - 1) // GRANULE + 1))
    return found


def read_granules(uri, wanted, frozen):
    """{granule: bytes} of the export."""
    handle = open_nbd(uri)
    need(handle.get_size() == frozen.size,
         f"{frozen.name}: the export has {handle.get_size()} bytes, "
         f"the disk had {frozen.size}")
    found = {g: bytes(handle.pread(len(frozen.granules[g]), g * GRANULE))
             for g in sorted(wanted)}
    handle.shutdown()
    return found


def some(granules):
    granules = sorted(granules)
    return f"{len(granules)} granules {granules[:12]}"


class Judge:
    def __init__(self, world, truth):
        self.world, self.truth = world, truth
        self.counts = {"full": 0, "incremental": 0, "ranges": 0,
                       "answered though broken": 0, "refused": 0}

    # --- one backup -------------------------------------------------------

    def backup(self, everything):
        """EVERYTHING: also compares all bytes of all disks."""
        backup = self.truth.backup
        for disk in backup.reply["disks"]:
            frozen = backup.frozen[disk["name"]]
            need(disk["size"] == frozen.size, f"{frozen.name}: size "
                 f"{disk['size']}, the model has {frozen.size}")
            self.main_range(backup, disk, frozen)
            self.further_bases(backup, disk, frozen)
            self.counts[disk["mode"]] += 1
            if everything or disk["mode"] == "full":
                wanted = range(len(frozen.granules))
                have = read_granules(disk["uri"], wanted, frozen)
                self.same(frozen, [have[g] for g in wanted], "full pull")

    def main_range(self, backup, disk, frozen):
        name, base = frozen.name, backup.base
        if base is None:
            need(disk["mode"] == "full"
                 and disk["reason"] == "full-requested",
                 f"{name}: {disk['mode']} ({disk['reason']}), but no "
                 "incremental was asked for")
            return
        covered = name in base.copies
        sound = backup.soundness[name, base.name]
        if disk["mode"] == "full":
            need(not sound, f"{name}: needless full ({disk['reason']}) since "
                 f"{base.name}")
            need(disk["reason"] not in ("", None, "full-requested"),
                 f"{name}: full without a reason")
            need(covered or disk["reason"] == "disk-new",
                 f"{name}: reason {disk['reason']}, {base.name} lacks it")
            self.counts["refused"] += 1
            return
        need(covered, f"{name}: incremental since {base.name}, which does "
             "not cover it")
        need(disk["context"] == f"qemu:dirty-bitmap:backup-{name}",
             f"{name}: context {disk['context']}")
        self.range(disk["uri"], disk, frozen, base, sound)

    def further_bases(self, backup, disk, frozen):
        wanted = {c.name: c for c in backup.bases}
        shown = {b["checkpoint"]: b for b in disk["bases"]}
        need(set(wanted) == set(shown), f"{frozen.name}: bases "
             f"{sorted(shown)}, asked for {sorted(wanted)}")
        for name, base in shown.items():
            sound = backup.soundness[frozen.name, name]
            if base.get("context") is None:
                need(not sound, f"{frozen.name}: base {name} is not answered "
                     f"({base.get('reason')})")
                need(base.get("reason"), f"{frozen.name}: base {name} is not "
                     "answered and no reason is given")
                self.counts["refused"] += 1
                continue
            need(frozen.name in wanted[name].copies,
                 f"{frozen.name}: base {name} does not cover it")
            self.range(disk["uri"], base, frozen, wanted[name], sound)

    def range(self, uri, shown, frozen, base, sound):
        """SHOWN has context, uri-dirty and dirty-bytes of what changed since
        BASE.  Not SOUND: may say too much, never too little."""
        what = f"{frozen.name} since {base.name}"
        ranges = dirty_map(uri, shown["context"])
        need(sum(n for _, n in ranges) == shown["dirty-bytes"],
             f"{what}: dirty-bytes {shown['dirty-bytes']}, the map has "
             f"{sum(n for _, n in ranges)}")
        need(ranges == data_map(shown["uri-dirty"]),
             f"{what}: {shown['uri-dirty']} has another map")
        dirty = granules_of(ranges, frozen.size, what)
        truth = frozen.since(base)
        need(truth <= dirty, f"A LIE: {what} lacks {some(truth - dirty)}; "
             f"it has {some(dirty)}")
        need(not sound or dirty == truth,
             f"{what} has too much: {some(dirty - truth)}")
        copy = dict(enumerate(base.copies[frozen.name]))
        copy.update(read_granules(uri, dirty, frozen))
        self.same(frozen, [copy.get(g) for g in range(len(frozen.granules))],
                  f"restore since {base.name}")
        self.counts["ranges"] += 1
        self.counts["answered though broken"] += not sound

    def same(self, frozen, have, what):
        wrong = [g for g, granule in enumerate(frozen.granules)
                 if have[g] != granule]
        need(not wrong, f"{what} of {frozen.name}: wrong bytes in "
             f"{some(wrong)}")

    # --- at any time ------------------------------------------------------

    def invariants(self):
        truth, world = self.truth, self.world
        nodes = world.nodes()
        if truth.backup is None:
            world.assert_no_traces(nodes)
        if not truth.settled:
            return
        self.catalog()
        for disk in truth.plugged():
            self.disk(disk, world.bitmaps(disk.name, nodes))

    def catalog(self):
        have = self.world.ask("checkpoint-list")["checkpoints"]
        parents = [c.get("parent") for c in have]
        need(parents == [None] + [c["name"] for c in have[:-1]]
             if have else True, f"catalog: parents {parents}")
        # What was deleted below an overlay waits for it to be merged down.
        have = [c for c in have if ".unplugged-" not in c["name"]]
        committed = [c["name"] for c in have if c["state"] == "committed"]
        need(committed == [c.name for c in self.truth.chain],
             f"catalog: committed {committed}")
        open_ones = [(c["name"], c["state"]) for c in have
                     if c["state"] != "committed"]
        backup = self.truth.backup
        wanted = [] if backup is None or backup.checkpoint is None \
            else [(backup.checkpoint.name, "tentative")]
        need(open_ones == wanted, f"catalog: also {open_ones}, want {wanted}")
        for c, ours in zip(have, self.truth.all_checkpoints()):
            need({d["name"] for d in c["disks"]} == set(ours.copies)
                 and c["consumer"] == ours.consumer,
                 f"catalog: {c}, want {list(ours.copies)}, {ours.consumer}")

    def disk(self, disk, bitmaps):
        """Its bitmaps, by QEMU."""
        chain = self.truth.covering(disk)
        names = [c.name for c in chain]
        recording = [name for name in names
                     if name in bitmaps and bitmaps[name]["recording"]
                     and name not in disk.may_record]
        need(set(recording) <= set(names[-1:]),
             f"{disk.name}: {recording} record, the newest is {names[-1:]}")
        for c in chain:
            if not self.truth.is_sound(disk, c):
                continue
            bitmap = bitmaps.get(c.name)
            need(bitmap is not None, f"{disk.name}: no bitmap {c.name}")
            need(not bitmap.get("inconsistent"),
                 f"{disk.name}: bitmap {c.name} is inconsistent")
            need(bitmap["recording"] == (c is chain[-1])
                 or c.name in disk.may_record,
                 f"{disk.name}: recording of {c.name} is "
                 f"{bitmap['recording']}")
        leaked = {name for name in bitmaps
                  if name not in names and name not in disk.orphans
                  and not name.startswith("pullback-")}
        need(not leaked, f"{disk.name}: nobody's bitmaps {sorted(leaked)}")


def no_lie_possible(judge):
    """A run that answered nothing has shown nothing."""
    if judge.counts["ranges"] == 0:
        raise Failed(f"no range was looked at: {judge.counts}")
