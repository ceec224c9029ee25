/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has changed of a disk, from the granule maps that the upstream server, the
 * view, answers from itself:
 *
 *   FOLDER/DISK@LABEL.dirty   set: the granule has changed; never changes
 *   FOLDER/DISK.present       of this only whether the backup is broken
 *
 * and what is to be written of one that is restored, from a map that has no such one beside it.
 *
 * Threads: any, but for open and close. */
#ifndef PULLBACK_GATEWAY_DIRTY_H
#define PULLBACK_GATEWAY_DIRTY_H

#include "extent-list.h"
#include "failure.h"

struct dirty;

/* Opens the maps of the upstream EXPORT, DISK@LABEL.  *DIRTY is NULL if there are none,
 * which is no error: then the upstream server is asked.  -errno with a sentence. */
int gateway_dirty_open (const char *folder, const char *export, struct dirty **dirty, struct failure *why) WARN_UNUSED;
/* Opens FOLDER/NAME.dirty, which must be there and belongs to no backup.  As nothing is hidden of
 * the disk, what has not changed is a hole of unknown content, not zeros. */
int gateway_dirty_open_alone (const char *folder, const char *name, struct dirty **dirty, struct failure *why) WARN_UNUSED;
void gateway_dirty_close (struct dirty *dirty);

uint64_t gateway_dirty_size (const struct dirty *dirty);

/* Appends LENGTH bytes at OFFSET, inside the disk, to LIST, as far as it takes them:
 * as data and holes, or as dirty and clean.  -EIO: the backup is broken, and LIST
 * says nothing (rule V3).  -ENOMEM. */
int gateway_dirty_extents (const struct dirty *dirty, uint64_t offset, uint64_t length, enum extent_view view, struct extent_list *list) WARN_UNUSED;

#endif
