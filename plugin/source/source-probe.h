/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Do two ways to read a disk lead to the same bytes?
 *
 * Threads: any. */
#ifndef PULLBACK_SOURCE_PROBE_H
#define PULLBACK_SOURCE_PROBE_H

#include "source.h"

/* Reads places all over the disk, of DISK_SIZE bytes, from ONE and from OTHER, half of them where
 * ONE says that there is data: 0, or -ESTALE if they differ, or if only OTHER can be read, at
 * *OFFSET.  CONFIG's written tells what the guest wrote meanwhile, which is left out. */
int source_probe (struct source *one, struct source *other, const struct source_config *config,
                  uint64_t disk_size, uint64_t *offset) WARN_UNUSED;

#endif
