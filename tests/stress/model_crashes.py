# SPDX-License-Identifier: LGPL-2.1-or-later
"""model.py's commands that do not come to their end: the daemon is killed, or
the VM ends, at any moment of them."""

import time

from pullbacktest import need
from pullbacktest.control import ControlError

# Checkpoints that a domain has at most.
CHAIN_MAX = 9


class Crashes:
    """A part of Operations."""

    # --- the daemon dies at any moment of a command -----------------------

    def crash(self, verb, longest, **arguments):
        """Returns the names of the checkpoints that are there after it.
        Nobody knows whether the command came as far as to settle."""
        pause = self.random.random() * longest
        self.note(f"killed after {pause * 1000:.1f} ms")
        self.world.control.send(verb, domain="vm1", **arguments)
        # Not to wait for anything: to be anywhere.
        time.sleep(pause)
        self.world.restart_daemon(kill=True)
        found = self.world.ask("checkpoint-list")["checkpoints"]
        names = [c["name"] for c in found]
        self.note(f"left {' '.join(names)}")
        return names

    def crash_begin(self):
        _, arguments = self.begin_arguments()
        self.crash("backup-begin", 0.15, **arguments)

    def crash_commit(self):
        checkpoint = self.truth.backup.checkpoint
        names = self.crash("backup-commit", 0.1)
        self.end_backup(kept=checkpoint and checkpoint.name in names)

    def crash_abort(self):
        self.crash("backup-abort", 0.1)
        self.end_backup(kept=False)

    def crash_create(self):
        if len(self.truth.chain) >= CHAIN_MAX:
            return
        checkpoint, arguments = self.create_arguments()
        if checkpoint.name in self.crash("checkpoint-create", 0.02,
                                         **arguments):
            self.truth.chain.append(checkpoint)

    def crash_delete(self):
        chosen = self.may_delete()
        if chosen is None:
            return
        doomed, how, arguments = chosen
        names = self.crash("checkpoint-delete", 0.03, **arguments)
        self.half_deleted(doomed, how, names)

    def may_delete(self):
        if not self.truth.chain:
            return None
        doomed, how, arguments = self.delete_arguments()
        if any(c.consumer != arguments["consumer"] for c in doomed):
            return None
        return doomed, how, arguments

    def half_deleted(self, doomed, how, names):
        """NAMES: what is left."""
        gone = [c for c in doomed if c.name not in names]
        need(gone == doomed[:len(gone)], f"deleted {[c.name for c in gone]} "
             f"of {[c.name for c in doomed]}")
        for c in gone:
            self.truth.delete(c, how == "metadata")
        if how == "metadata" and len(gone) < len(doomed):
            # What comes next is told before the entry goes.
            for c in doomed[len(gone):]:
                for name in c.copies:
                    self.truth.disks[name].cut(c.time - 1, "half forgotten")

    # --- the VM ends in the middle of a command ----------------------------

    def vm_dies(self, verb, longest, **arguments):
        """Returns the names of the checkpoints that are there after it."""
        kill = self.random.random() < 0.3
        pause = self.random.random() * longest
        self.note(f"VM {'killed' if kill else 'quits'} after "
                  f"{pause * 1000:.1f} ms of {verb}")
        self.world.control.send(verb, domain="vm1", **arguments)
        time.sleep(pause)
        self.world.end_vm_now(kill)
        try:
            self.world.control.reply(verb)
        except ControlError as error:
            self.note(str(error))
        self.world.daemon.assert_nothing_left(deadline=30)
        self.vm_is_down(kill, whole=False)
        # What is half done is ended by the next command that changes anything.
        self.settling()
        self.must_refuse("CheckpointNotFound", "checkpoint-delete",
                         checkpoint="nobody")
        found = self.world.ask("checkpoint-list")["checkpoints"]
        names = [c["name"] for c in found]
        self.note(f"left {' '.join(names)}")
        return names

    def vm_crash(self):
        getattr(self, self.random.choice(
            ("vm_crash_begin", "vm_crash_create", "vm_crash_delete")))()

    def vm_crash_begin(self):
        _, arguments = self.begin_arguments()
        self.vm_dies("backup-begin", 0.15, **arguments)

    def vm_crash_create(self):
        if len(self.truth.chain) >= CHAIN_MAX:
            return
        checkpoint, arguments = self.create_arguments()
        if checkpoint.name in self.vm_dies("checkpoint-create", 0.02,
                                           **arguments):
            self.truth.chain.append(checkpoint)

    def vm_crash_delete(self):
        chosen = self.may_delete()
        if chosen is None:
            return
        doomed, how, arguments = chosen
        absent = [d for d in self.truth.disks.values() if not d.plugged]
        names = self.vm_dies("checkpoint-delete", 0.03, **arguments)
        self.half_deleted(doomed, how, names)
        # It may have been done before the disk came back with the VM.
        for disk in absent:
            for c in doomed:
                if c.name not in names and disk.name in c.copies:
                    self.truth.leave(c, disk, left=True)

    def vm_crash_end(self):
        verb = self.random.choice(("backup-commit", "backup-abort"))
        checkpoint = self.truth.backup.checkpoint
        names = self.vm_dies(verb, 0.1)
        if self.truth.backup is not None:
            self.end_backup(kept=checkpoint and checkpoint.name in names)
