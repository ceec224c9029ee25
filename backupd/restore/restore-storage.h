/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images of a restore that are not raw: qemu-storage-daemon writes them, and what it holds
 * back is lost with it.  So it is not started again, and a restore is broken when it has died.
 *
 * Threads: as the restore's steps. */
#ifndef PULLBACK_RESTORE_STORAGE_H
#define PULLBACK_RESTORE_STORAGE_H

#include "restore-model.h"

/* Does it write IMAGE? */
bool restore_storage_has (const struct restore_image *image);

/* The argument that it alone has; g_free. */
char *restore_storage_mark (const struct restore *restore);

/* It has died, and nobody has stopped it yet. */
bool restore_storage_is_lost (const struct restore *restore);

/* Steps (steps.h). */
int restore_storage_start (void *context, struct failure *why) WARN_UNUSED;
int restore_storage_stop (void *context, struct failure *why);

/* After the gateway has ended: it writes back all that it holds, and ends.  Fails where that is
 * not certain. */
int restore_storage_finish (struct restore *restore, struct failure *why) WARN_UNUSED;

#endif
