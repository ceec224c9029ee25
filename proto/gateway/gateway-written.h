/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a writable export may have been written, in a granule map that the daemon
 * has made: FOLDER/EXPORT.written, named by the upstream export.  A granule is set
 * *before* the upstream server is asked to change any of it (rule R6), so that a map
 * without bits means that nothing was written, however gateway and upstream server
 * ended.  Nothing is ever cleared here.
 *
 * Threads: any, but for open and close. */
#ifndef PULLBACK_GATEWAY_WRITTEN_H
#define PULLBACK_GATEWAY_WRITTEN_H

#include <stdint.h>

#include "failure.h"

struct written;

/* Opens the map of EXPORT.  One that is not there is an error, too: without it nothing
 * may be written.  -errno with a sentence in WHY. */
int gateway_written_open (const char *folder, const char *export, struct written **written, struct failure *why) WARN_UNUSED;
void gateway_written_close (struct written *written);

uint64_t gateway_written_size (const struct written *written);

/* LENGTH bytes at OFFSET, inside the disk, are about to change.  -errno: that cannot be
 * noted, and they must not. */
int gateway_written_note (struct written *written, uint64_t offset, uint64_t length) WARN_UNUSED;

#endif
