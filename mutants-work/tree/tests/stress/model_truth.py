# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is true of the disks and checkpoints of model.py: plain Python, no
bitmap, no knowledge of how pullback or QEMU do it.

Time is a number that grows with every event.  Each granule has the time of
its last change, each checkpoint the time when it was made: what changed since
a checkpoint is what changed later than it.  Contents are lists of granules
that share their bytes, so that keeping every checkpoint's is cheap."""

import functools

GRANULE = 65536


@functools.lru_cache(maxsize=4096)
def filled(byte, length):
    return bytes([byte]) * length


def granule_count(size):
    return (size + GRANULE - 1) // GRANULE


class Disk:
    def __init__(self, name, size):
        self.name = name
        self.size = size
        self.granules = [filled(0, self.length(g))
                         for g in range(granule_count(size))]
        self.changed = [0] * len(self.granules)
        self.plugged = True
        # Checkpoints that are not newer than this may be answered by a full
        # backup: something happened that no bitmap can follow.
        self.broken = 0
        self.why_broken = "none yet"
        # Bitmaps that no checkpoint owns, and that is nobody's fault.
        self.orphans = set()
        # Checkpoints whose bitmaps are on an image below the active one.
        self.hidden = set()
        # Older ones whose bitmaps may record, until the next settling.
        self.may_record = set()

    def length(self, granule):
        return min(GRANULE, self.size - granule * GRANULE)

    def fill(self, now, offset, length, byte):
        """The bytes OFFSET.. become BYTE."""
        end = offset + length
        for g in range(offset // GRANULE, granule_count(end)):
            start = g * GRANULE
            low = max(offset, start) - start
            high = min(end, start + GRANULE) - start
            old = self.granules[g]
            if low == 0 and high == len(old):
                self.granules[g] = filled(byte, high)
            else:
                self.granules[g] = (old[:low] + filled(byte, high - low)
                                    + old[high:])
            self.changed[g] = now

    def resize(self, now, size):
        """What is new counts as changed, and so does the granule that the old
        end was in."""
        old = self.size
        self.size = size
        del self.granules[granule_count(size):]
        del self.changed[granule_count(size):]
        if size < old:
            if size % GRANULE:
                self.granules[-1] = self.granules[-1][:size % GRANULE]
            return
        if old % GRANULE:
            last = old // GRANULE
            self.granules[last] = self.granules[last].ljust(
                self.length(last), b"\0")
            self.changed[last] = now
        while len(self.granules) < granule_count(size):
            self.granules.append(filled(0, self.length(len(self.granules))))
            self.changed.append(now)

    def replace(self, now, size):
        """Another medium, empty."""
        self.size = size
        self.granules = [filled(0, self.length(g))
                         for g in range(granule_count(size))]
        self.changed = [now] * len(self.granules)

    def cut(self, now, why):
        if now > self.broken:
            self.broken, self.why_broken = now, why


class Checkpoint:
    def __init__(self, name, time, consumer, disks):
        self.name = name
        self.time = time
        self.consumer = consumer
        # What a client has that pulled this point in time of these disks.
        self.copies = {disk.name: list(disk.granules) for disk in disks}


class Frozen:
    """A disk as it was when a backup froze it."""

    def __init__(self, disk):
        self.name = disk.name
        self.size = disk.size
        self.granules = list(disk.granules)
        self.changed = list(disk.changed)

    def since(self, checkpoint):
        """The granules that changed since CHECKPOINT."""
        return {g for g, time in enumerate(self.changed)
                if time > checkpoint.time}


class Backup:
    def __init__(self, disks, base, bases, checkpoint):
        self.frozen = {disk.name: Frozen(disk) for disk in disks}
        self.base = base            # a Checkpoint or None
        self.bases = bases          # further ones
        self.checkpoint = checkpoint
        self.reply = None
        self.soundness = {}         # (disk, checkpoint): at the freeze


class Truth:
    def __init__(self, disks):
        self.time = 0
        self.disks = {disk.name: disk for disk in disks}
        self.chain = []             # committed Checkpoints, oldest first
        self.backup = None
        self.settled = True         # False: the catalog may lag behind

    def now(self):
        self.time += 1
        return self.time

    def plugged(self):
        return [disk for disk in self.disks.values() if disk.plugged]

    def all_checkpoints(self):
        """With the one of the running backup."""
        more = []
        if self.backup is not None and self.backup.checkpoint is not None:
            more = [self.backup.checkpoint]
        return self.chain + more

    def covering(self, disk):
        return [c for c in self.all_checkpoints() if disk.name in c.copies]

    def is_sound(self, disk, checkpoint):
        """Must a backup of DISK since CHECKPOINT be incremental?"""
        return disk.name in checkpoint.copies \
            and checkpoint.time > disk.broken

    def find(self, name):
        return next((c for c in self.chain if c.name == name), None)

    def delete(self, checkpoint, metadata):
        """Its changes belong to the one before it from now on, unless its
        bitmaps are left or cannot be reached."""
        self.chain.remove(checkpoint)
        for name in checkpoint.copies:
            disk = self.disks[name]
            self.leave(checkpoint, disk, metadata or not disk.plugged)

    def leave(self, checkpoint, disk, left):
        """LEFT: its bitmap on DISK stays."""
        if left:
            disk.cut(checkpoint.time - 1, f"{checkpoint.name} was forgotten")
        if left or checkpoint.name in disk.hidden:
            disk.orphans.add(checkpoint.name)

    def settle(self):
        """What a command does first: only the newest bitmap records."""
        self.settled = True
        for disk in self.plugged():
            chain = self.covering(disk)
            if chain and self.is_sound(disk, chain[-1]):
                disk.may_record.clear()

    def show(self):
        lines = [f"time {self.time}"]
        for disk in self.disks.values():
            lines.append(
                f"  {disk.name}: {disk.size} bytes, "
                f"{'plugged' if disk.plugged else 'not plugged'}, broken up "
                f"to {disk.broken} ({disk.why_broken}), orphans "
                f"{sorted(disk.orphans)}")
        for c in self.all_checkpoints():
            lines.append(f"  {c.name}: time {c.time}, consumer {c.consumer}, "
                         f"disks {' '.join(c.copies)}")
        if self.backup is not None:
            b = self.backup
            lines.append(
                f"  backup of {' '.join(b.frozen)} since "
                f"{b.base and b.base.name}, further bases "
                f"{[c.name for c in b.bases]}, checkpoint "
                f"{b.checkpoint and b.checkpoint.name}")
        return "\n".join(lines)
