/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The memory into which the view reads for the gateway: one for each connection to
 * an export that is called EXPORT/memory (handover-offset.h; rules M1 to M4).  The
 * gateway gets it at a socket of its own, by its number, which is the export's
 * description.
 *
 * Threads: any, unless said otherwise. */
#ifndef PULLBACK_PLUGIN_MEMORY_H
#define PULLBACK_PLUGIN_MEMORY_H

#include <stdbool.h>

#include "failure.h"
#include "plugin-config.h"

struct plugin_memory;

/* Gives memory from now on at the socket that CONFIG names, if it does.  One thread.
 * -errno with a sentence in WHY: nobody gets any. */
int plugin_memory_serve (const struct plugin_config *config, struct failure *why) WARN_UNUSED;
void plugin_memory_stop (void);

/* Is there somebody to give it? */
bool plugin_memory_is_served (void);

/* -errno.  DISK_SIZE is told with it; it is at most HANDOVER_DISK_MAX. */
int plugin_memory_create (uint64_t disk_size, struct plugin_memory **memory) WARN_UNUSED;

/* When no request uses it any more; of NULL nothing. */
void plugin_memory_destroy (struct plugin_memory *memory);

/* Its number in decimal, for as long as it is there. */
const char *plugin_memory_number (const struct plugin_memory *memory);

/* Where COUNT bytes at JOINED (handover-offset.h) are to go, which have memory behind
 * them then, and what of the disk that is.  -EINVAL: there are no such; -ENOMEM,
 * -ENOSPC. */
int plugin_memory_place (struct plugin_memory *memory, uint64_t joined, uint32_t count, char **place, uint64_t *offset) WARN_UNUSED;

#endif
