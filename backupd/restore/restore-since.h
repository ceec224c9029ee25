/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has changed on an image since a checkpoint, by the bitmaps in it that qemu-storage-daemon
 * has loaded: all that must be written to restore what was backed up then.
 *
 * The bitmaps of the chain from that checkpoint's on are put together in one that records
 * nothing, and that is exported for a moment, to be read into a dirty map.  Before the first client
 * writes.
 *
 * Threads and errors as in qmp.h. */
#ifndef PULLBACK_RESTORE_SINCE_H
#define PULLBACK_RESTORE_SINCE_H

#include <stdint.h>

#include "qmp.h"

/* Its name, behind "qemu:dirty-bitmap:", in the export. */
#define RESTORE_SINCE_BITMAP "pullback-restore-since"

/* Exports as EXPORT what BITMAPS (at least one, NULL ends them), which must be sound and the last of
 * them recording, of NODE, which has SIZE bytes, have together; *DIRTY are the bytes.  On failure
 * nothing is left. */
int restore_since_export (struct qmp *qmp, const char *node, uint64_t size,
                          const char *const *bitmaps, const char *export, uint64_t *dirty,
                          struct failure *why) WARN_UNUSED;

/* Removes that; also where it is not there. */
int restore_since_remove (struct qmp *qmp, const char *node, struct failure *why) WARN_UNUSED;

#endif
