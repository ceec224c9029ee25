/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells whoever started the gateway that clients are at work: the modification
 * time of a file.  Only data or block status that was served is work, and a read
 * that upstream takes its time for; who only connects, or asks for what is refused,
 * keeps no backup alive. */
#ifndef PULLBACK_GATEWAY_ACTIVITY_H
#define PULLBACK_GATEWAY_ACTIVITY_H

#include <stdint.h>

#include "failure.h"

/* PATH must exist and is not followed if it is a symbolic link.  Once, before
 * there are threads; without it, gateway_activity_touch does nothing. */
int gateway_activity_open (const char *path, struct failure *why) WARN_UNUSED;

/* Sets the file's modification time, unless it was set less than a second ago.
 * *LAST_MS is the caller's own memory of its last call, 0 at first: it spares
 * threads the lock.  Threads: any. */
void gateway_activity_touch (int64_t *last_ms);

#endif
