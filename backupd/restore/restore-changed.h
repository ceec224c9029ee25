/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What has changed on the images of a restore since a checkpoint (--since): all that must be written
 * to restore what was backed up then.  It is read of the images' bitmaps into a map, DISK@changed.dirty,
 * before the first client writes, and never changes; the gateway offers it as a context of the
 * export, and as the allocation of another one.
 *
 * Threads: as the restore's steps. */
#ifndef PULLBACK_RESTORE_CHANGED_H
#define PULLBACK_RESTORE_CHANGED_H

#include "restore-model.h"

/* Can it be asked for, of these images? */
int restore_changed_plan (struct restore *restore, struct failure *why) WARN_UNUSED;

/* The other export of IMAGE, and what its map is called; and the context of its own.  Free with
 * g_free.  NULL: there is none. */
char *restore_changed_export (const struct restore *restore, const struct restore_image *image);
char *restore_changed_context (const struct restore *restore);

/* Steps (steps.h): which bitmaps tell, when the images are open; and what they tell, when
 * qemu-storage-daemon runs. */
int restore_changed_find (void *context, struct failure *why) WARN_UNUSED;
int restore_changed_import (void *context, struct failure *why) WARN_UNUSED;

/* Bytes of the granules that the map EXPORT in FOLDER, of the restore, has; -errno: nobody knows. */
int restore_changed_bytes (const char *folder, const char *export, uint64_t *bytes) WARN_UNUSED;

#endif
