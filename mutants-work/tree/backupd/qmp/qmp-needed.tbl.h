/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pullback cannot do without, found by query-qmp-schema.
 *
 * X (command, member or "" for the command itself, oldest QEMU, what for)
 *
 * Included several times, with X defined by the includer. */
X ("query-named-block-nodes", "", "2.0", "find disks and their bitmaps")
X ("blockdev-add", "", "2.9", "connect the target of old data")
X ("blockdev-add", "nbd.server", "2.9", "connect the target of old data")
X ("blockdev-add", "null-co.size", "2.9", "read bitmaps")
X ("blockdev-del", "", "2.9", "disconnect the target of old data")
X ("transaction", "", "1.1", "freeze all disks at one point in time")
X ("transaction", "blockdev-backup", "2.3", "freeze all disks at one point in time")
X ("transaction", "block-dirty-bitmap-add", "2.5", "begin a checkpoint")
X ("transaction", "block-dirty-bitmap-merge", "4.0", "join the changes of checkpoints")
X ("block-dirty-bitmap-remove", "", "2.4", "remove a checkpoint")
X ("block-dirty-bitmap-enable", "", "4.0", "go back to the previous checkpoint")
X ("block-dirty-bitmap-disable", "", "4.0", "begin a checkpoint")
X ("block-dirty-bitmap-merge", "", "4.0", "remove a checkpoint")
X ("nbd-server-start", "", "1.3", "read disks and bitmaps")
X ("nbd-server-stop", "", "1.3", "read disks and bitmaps")
X ("block-export-add", "", "5.2", "read disks and bitmaps")
X ("block-export-add", "nbd.bitmaps.node", "7.1", "read bitmaps")
X ("block-export-del", "", "5.2", "read disks and bitmaps")
X ("query-block-exports", "", "5.2", "read disks and bitmaps")
X ("query-jobs", "", "3.0", "watch and end the freeze")
X ("job-cancel", "", "3.0", "end the freeze")
X ("job-dismiss", "", "3.0", "end the freeze")
