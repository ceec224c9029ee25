/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sink: the process that QEMU writes old data to, in the way of guest writes.  Its
 * start and stop are in backup-steps.h. */
#ifndef PULLBACK_BACKUP_SINK_H
#define PULLBACK_BACKUP_SINK_H

#include "backup-model.h"
#include "process-listen.h"

/* Sees to it that the sink answers, with a new process if need be, and that QEMU is
 * connected to it.  To be called before QEMU's jobs are ended: QEMU 7.2 fails a
 * guest write that is on its way to a sink that is not connected, and hangs on one
 * that does not reply.  Blocks for at most 20 s after a restart of the sink.  A backup that has not
 * begun one gets none. */
void backup_sink_ensure (struct backup *backup);

/* Starts another one, whatever became of the old one, or of the stores: where they are lost
 * the backup is broken (rule B5). */
int backup_sink_replace (struct backup *backup, struct failure *why) WARN_UNUSED;

/* The same as backup_sink_ensure, if it has died since. */
void backup_sink_ensure_again (struct backup *backup);

/* Where a running backup may wait for its sink without limit, one that begins or ends may
 * for so long. */
#define BACKUP_SINK_LIMIT_MS 10000

/* For how long a write may take, and somebody may stop the sink before it is killed, follows
 * from the state of the backup: to be called when that has changed. */
void backup_sink_limit (struct backup *backup);

/* Where it listens; borrowed from BACKUP. */
struct process_place backup_sink_place (const struct backup *backup);

/* To be asked when QEMU says that it has connected for all disks: in a folder of its own it may
 * have come to somebody else's socket. */
int backup_sink_is_reached (const struct backup *backup, struct failure *why) WARN_UNUSED;

/* Is QEMU connected to the sink?  Then it lives, whatever its monitor says. */
bool backup_sink_is_used (const struct backup *backup);

#endif
