# SPDX-License-Identifier: LGPL-2.1-or-later
"""model.py's operations.  Each does one thing to the real thing and tells the
model; the tables say how often which is chosen."""

from pullbacktest import Failed, QmpError, need, wait_until
from pullbacktest.clients import open_nbd
from pullbacktest.control import ControlError

from model_crashes import CHAIN_MAX, Crashes
from model_truth import GRANULE, Backup, Checkpoint

IDLE = {"write": 24, "begin": 34, "create": 10, "delete": 9, "expire": 0.4,
        "crash_begin": 2, "crash_create": 2, "crash_delete": 2,
        "daemon_restart": 0.7, "daemon_kill": 0.7, "vm_restart": 1,
        "vm_kill": 0.5, "vm_crash": 0.8, "grow": 1.5, "shrink": 0.3,
        "unplug": 1.2, "overlay": 0.7, "bitmap_disable": 1, "bitmap_remove": 0.8,
        "bitmap_enable": 0.8, "remove_orphan": 1}
IN_BACKUP = {"write": 26, "verify": 5, "client_death": 3, "refused": 3,
             "commit": 36, "abort": 12, "crash_commit": 3, "crash_abort": 2,
             "daemon_restart": 0.6, "daemon_kill": 1, "vm_restart": 0.4,
             "vm_kill": 0.3, "vm_crash_end": 1}
CONSUMERS = ("default", "default", "nightly")


class Operations(Crashes):
    def __init__(self, t, world, truth, judge, log):
        self.t, self.world, self.truth, self.judge = t, world, truth, judge
        self.random = t.random
        self.log = log
        self.names = 0

    def note(self, text):
        self.log[-1] += f": {text}"

    # --- the guest --------------------------------------------------------

    def write(self, disk=None):
        for _ in range(self.random.randint(1, 6)):
            self.one_write(disk or self.random.choice(self.truth.plugged()))

    def one_write(self, disk):
        kinds = ["write", "write", "zero", "discard"]
        backup = self.truth.backup
        if backup is not None and disk.name in backup.frozen:
            # QEMU's filter of a backup ignores them.
            kinds.remove("discard")
        kind = self.random.choice(kinds)
        length = 512 << self.random.randint(0, 9)
        if self.random.random() < 0.4 or kind == "discard":
            length = GRANULE * self.random.randint(1, 3)
        length = min(length, disk.size // GRANULE * GRANULE)
        places = (disk.size - length) // 512
        offset = self.random.randint(0, places) * 512
        if kind == "discard":
            # Of less than a cluster nothing might come.
            offset = offset // GRANULE * GRANULE
        byte = self.random.randint(1, 255) if kind == "write" else 0
        self.note(f"{kind} {disk.name} {offset}+{length}")
        words = {"write": ["write -q -P", byte],
                 "zero": ["write -q -z", self.random.choice(("", "-u"))],
                 "discard": ["discard -q"]}[kind]
        self.world.io(disk.name, *words, offset, length)
        disk.fill(self.truth.now(), offset, length, byte)

    # --- checkpoints ------------------------------------------------------

    def new_name(self):
        self.names += 1
        return f"c{self.names}"

    def some_disks(self):
        """(disks, the argument that says so)."""
        disks = self.truth.plugged()
        if self.random.random() < 0.7:
            return disks, None
        disks = self.random.sample(disks, self.random.randint(1, len(disks)))
        return disks, [disk.name for disk in disks]

    def create_arguments(self):
        disks, words = self.some_disks()
        checkpoint = Checkpoint(self.new_name(), self.truth.now(),
                                self.random.choice(CONSUMERS), disks)
        self.note(f"{checkpoint.name} of {words or 'all'}")
        return checkpoint, dict(checkpoint=checkpoint.name, disks=words,
                                consumer=checkpoint.consumer)

    def create(self):
        if len(self.truth.chain) >= CHAIN_MAX:
            return self.delete()
        self.settling()
        checkpoint, arguments = self.create_arguments()
        self.world.ask("checkpoint-create", **arguments)
        self.truth.chain.append(checkpoint)

    def delete_arguments(self):
        """(which go, how, the arguments)."""
        c = self.random.choice(self.truth.chain)
        how = self.random.choices(
            (None, "children", "children-only", "metadata"),
            (12, 1, 1, 0.7))[0]
        at = self.truth.chain.index(c)
        doomed = self.truth.chain[at:]
        if how == "children-only":
            doomed = doomed[1:]
        elif how != "children":
            doomed = doomed[:1]
        arguments = dict(checkpoint=c.name, consumer=c.consumer)
        if how is not None:
            arguments[how.replace("-", "_")] = True
        self.note(f"{c.name} {how or 'only'}")
        return doomed[::-1], how, arguments

    def delete(self):
        if not self.truth.chain:
            return
        doomed, how, arguments = self.delete_arguments()
        owner = arguments["consumer"]
        if self.random.random() < 0.1:
            owner = arguments["consumer"] = "somebody-else"
        if how != "metadata":
            self.settling()
        if any(c.consumer != owner for c in doomed):
            self.must_refuse("BadArgument", "checkpoint-delete", **arguments)
            return
        reply = self.world.ask("checkpoint-delete", **arguments)
        need(reply["deleted"] == [c.name for c in doomed],
             f"deleted {reply}, want {[c.name for c in doomed]}")
        for c in doomed:
            self.truth.delete(c, how == "metadata")

    def must_refuse(self, error_class, verb, **arguments):
        self.note("must be refused")
        try:
            self.world.ask(verb, **arguments)
        except ControlError as error:
            need(error.error_class == error_class, f"refused as {error}")
            return
        raise Failed(f"{verb} {arguments} was not refused")

    def settling(self):
        """What is about to run brings catalog and bitmaps together first."""
        self.truth.settle()

    # --- backups ----------------------------------------------------------

    def begin_arguments(self):
        chain = self.truth.chain
        disks, words = self.some_disks()
        arguments = dict(disks=words)
        base, bases, checkpoint = None, [], None
        if chain and self.random.random() < 0.85:
            # Newer ones more often: older ones break sooner.
            base = chain[max(self.random.randrange(len(chain)) for _ in
                             range(self.random.choice((1, 3))))]
            arguments["incremental"] = base.name
        kind = self.random.random()
        if chain and kind < 0.15:
            bases = self.random.sample(chain,
                                       self.random.randint(1, len(chain)))
            arguments["bases"] = [c.name for c in bases]
        elif kind < 0.3:
            bases = list(chain)
            arguments["all_bases"] = True
        if self.random.random() < 0.6 and len(chain) < CHAIN_MAX:
            checkpoint = Checkpoint(self.new_name(), self.truth.now(),
                                    self.random.choice(CONSUMERS), disks)
            arguments.update(checkpoint=checkpoint.name,
                             consumer=checkpoint.consumer)
        backup = Backup(disks, base, bases, checkpoint)
        for c in bases + ([base] if base else []):
            for disk in disks:
                backup.soundness[disk.name, c.name] = \
                    self.truth.is_sound(disk, c)
        self.note(" ".join(f"{k}={v}" for k, v in arguments.items()
                           if v is not None))
        return backup, arguments

    def begin(self, **more):
        self.settling()
        backup, arguments = self.begin_arguments()
        backup.reply = self.world.ask("backup-begin", **arguments, **more)
        self.truth.backup = backup
        disks = [disk["name"] for disk in backup.reply["disks"]]
        need(sorted(disks) == sorted(backup.frozen),
             f"the backup is of {disks}, want {sorted(backup.frozen)}")
        for disk in backup.reply["disks"]:
            self.note(f"{disk['name']} {disk['mode']} {disk['reason']}")
        if more:
            return
        if self.random.random() < 0.5:
            self.write()
        self.judge.backup(everything=self.random.random() < 0.2)

    def verify(self):
        self.judge.backup(everything=True)

    def client_death(self):
        """In the middle of a read."""
        import nbd
        disk = self.random.choice(self.truth.backup.reply["disks"])
        handle = open_nbd(disk["uri"])
        handle.aio_pread(nbd.Buffer(GRANULE * 4), 0)
        del handle

    def end_backup(self, kept):
        backup, self.truth.backup = self.truth.backup, None
        if kept and backup.checkpoint is not None:
            self.truth.chain.append(backup.checkpoint)

    def commit(self):
        self.world.ask("backup-commit")
        self.end_backup(kept=True)

    def abort(self):
        self.world.ask("backup-abort")
        self.end_backup(kept=False)

    def expire(self):
        self.begin(ttl=1)
        self.write()
        wait_until(lambda: not self.world.control("backup-list")["backups"],
                   30, "the backup does not expire")
        self.end_backup(kept=False)

    def refused(self):
        """What may not be done while a backup runs."""
        if self.truth.chain and self.random.random() < 0.5:
            c = self.random.choice(self.truth.chain)
            self.must_refuse("Busy", "checkpoint-delete", checkpoint=c.name,
                             consumer=c.consumer)
        elif self.random.random() < 0.5:
            self.must_refuse("Busy", "checkpoint-create",
                             checkpoint=self.new_name())
        else:
            self.must_refuse("Busy", "backup-begin")

    # --- restarts ---------------------------------------------------------

    def daemon_restart(self):
        self.world.restart_daemon(kill=False)
        self.end_backup_if_any()

    def daemon_kill(self):
        self.world.restart_daemon(kill=True,
                                  goes_on=self.truth.backup is not None)

    def end_backup_if_any(self):
        if self.truth.backup is not None:
            self.end_backup(kept=False)

    def vm_restart(self):
        self.vm_ends(kill=False)

    def vm_kill(self):
        self.vm_ends(kill=True)

    def vm_ends(self, kill):
        whole = self.truth.backup is None and self.truth.settled
        self.world.end_vm(kill)
        self.end_backup_if_any()
        self.vm_is_down(kill, whole)
        self.write()

    def vm_is_down(self, kill, whole):
        """WHOLE: no checkpoint waits to be merged back in an image, which the
        daemon keeps in mind until that image is there again."""
        if self.random.random() < 0.3:
            # A daemon that starts while its VM is down.
            self.note("daemon too")
            self.world.control.close()
            self.world.daemon.kill9()
            self.world.daemon.start()
        for disk in self.truth.disks.values():
            real = self.world.disk(disk.name)
            if kill or real.form == "raw":
                disk.cut(self.truth.now(), "QEMU killed" if kill
                         else "raw disk, QEMU ended")
            if whole and (real.layers > 2 or (real.layers > 1 and
                                              self.random.random() < 0.4)):
                self.world.flatten(disk.name)
                disk.cut(self.truth.now(), "flattened")
                disk.hidden.clear()
            disk.plugged = True
        self.world.start_vm()
        self.truth.settled = False

    # --- disks ------------------------------------------------------------

    def grow(self):
        disk = self.random.choice(self.truth.plugged())
        size = disk.size + self.random.choice((512, GRANULE, 3 * GRANULE + 512))
        self.resize(disk, size)

    def shrink(self):
        disk = self.truth.disks["vda"]
        if self.world.disk("vda").form != "raw":
            return
        self.resize(disk, max(GRANULE * 32, disk.size - 5 * GRANULE - 512))
        # No longer the disk that it was, but QEMU's bitmaps follow.
        disk.cut(self.truth.now(), "shrunk")

    def resize(self, disk, size):
        self.note(f"{disk.name} from {disk.size} to {size}")
        real = self.world.disk(disk.name)
        try:
            self.world.vm.qmp("block_resize", node_name=real.node, size=size)
        except QmpError as error:
            # It does not resize what has an inconsistent bitmap.
            need("itmap" in str(error), f"resize: {error}")
            self.note("QEMU refuses")
            return
        disk.resize(self.truth.now(), size)
        real.size = size

    def unplug(self):
        """Or plugs it in again, now and then another one."""
        disk = self.truth.disks["vdc"]
        if disk.plugged:
            self.world.unplug("vdc")
            disk.plugged = False
            return
        if self.random.random() < 0.25:
            self.note("replaced")
            self.world.replace_image("vdc", disk.size)
            disk.replace(self.truth.now(), disk.size)
            disk.cut(self.truth.now(), "replaced")
            disk.hidden.clear()
        elif self.world.disk("vdc").form == "raw":
            disk.cut(self.truth.now(), "raw disk, unplugged")
        self.world.plug("vdc")
        disk.plugged = True
        self.write(disk)

    def overlay(self):
        """By somebody else; or merges it down again."""
        disk = self.random.choice(self.truth.plugged())
        real = self.world.disk(disk.name)
        if len(real.nodes) > 1 and self.random.random() < 0.6:
            self.note(f"{disk.name} merged down")
            if self.world.commit_overlay(disk.name):
                # The bitmaps below are back, with all that was merged.
                disk.may_record |= disk.hidden
                disk.cut(self.truth.now(), "merged down")
        elif real.layers < 3:
            self.note(f"{disk.name} gets one")
            disk.hidden |= {c.name for c in self.truth.covering(disk)}
            self.world.snapshot(disk.name, disk.size)
            disk.cut(self.truth.now(), "overlay")
        self.write(disk)

    # --- people who touch our bitmaps -------------------------------------

    def our_bitmaps(self, disk, recording=None):
        have = self.world.bitmaps(disk.name)
        return [c for c in self.truth.covering(disk)
                if c.name in have
                and not have[c.name].get("inconsistent")
                and recording in (None, have[c.name]["recording"])]

    def bitmap_disable(self):
        disk = self.random.choice(self.truth.plugged())
        for c in self.our_bitmaps(disk, recording=True):
            self.note(f"{c.name} of {disk.name}")
            self.world.bitmap_command("disable", disk.name, c.name)
            disk.cut(self.truth.now(), f"{c.name} disabled")
        self.write(disk)

    def bitmap_remove(self):
        disk = self.random.choice(self.truth.plugged())
        ours = self.our_bitmaps(disk)
        if ours:
            c = self.random.choice(ours)
            self.note(f"{c.name} of {disk.name}")
            self.world.bitmap_command("remove", disk.name, c.name)
            disk.cut(c.time, f"{c.name} removed")
            if self.random.random() < 0.5 and self.truth.settled:
                self.note("and the checkpoint is deleted")
                self.settling()
                self.world.ask("checkpoint-delete", checkpoint=c.name,
                               consumer=c.consumer)
                self.truth.delete(c, metadata=False)
        self.write(disk)

    def bitmap_enable(self):
        """An older one: it says what the newest says, and is no harm."""
        disk = self.random.choice(self.truth.plugged())
        ours = self.our_bitmaps(disk, recording=False)
        sound = [c for c in ours if self.truth.is_sound(disk, c)]
        if sound:
            c = self.random.choice(sound)
            self.note(f"{c.name} of {disk.name}")
            self.world.bitmap_command("enable", disk.name, c.name)
            disk.may_record.add(c.name)
        self.write(disk)

    def remove_orphan(self):
        for disk in self.truth.plugged():
            have = set(self.world.bitmaps(disk.name)) & disk.orphans
            for name in sorted(have):
                self.note(f"{name} of {disk.name}")
                self.world.bitmap_command("remove", disk.name, name)
