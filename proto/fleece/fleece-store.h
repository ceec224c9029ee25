/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fleece store of one disk: old data that guest writes pushed out.  Its files:
 * fleece-files.h.
 *
 * The sink is the only writer (consistency rule S1); no read path fills it. */
#ifndef PULLBACK_FLEECE_STORE_H
#define PULLBACK_FLEECE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"
#include "granule-map.h"
#include "scratch-figures.h"

struct fleece_store;

/* Opens both.  WRITABLE for the sink only.  -EINVAL: the data has not the size of the
 * disk; that of a broken store may have any. */
int fleece_store_open (const char *folder, const char *maps, const char *disk,
                       bool writable, struct fleece_store **store) WARN_UNUSED;

/* Opens both to see, and set, "broken": for the daemon.  Before the sink, so that
 * it learns of everything that was lost. */
int fleece_store_watch (const char *folder, const char *maps, const char *disk,
                        struct fleece_store **store) WARN_UNUSED;
void fleece_store_close (struct fleece_store *store);

/* Counts in FIGURES (borrowed; NULL: nowhere) what is written, and keeps to their limits.
 * Not while others use the store. */
void fleece_store_count (struct fleece_store *store, struct scratch_figures *figures);

/* Opens the dirty map at PATH into *MAP, which is the store's: the store is broken
 * when it is, and so is the backup.  Writable in a store that is watched, which
 * opens it before the first bit is set.  Not while others use the store. */
int fleece_store_open_dirty (struct fleece_store *store, const char *path,
                             struct granule_map **map) WARN_UNUSED;

/* Clients may give back what is in the store: opens the maps of that (fleece-files.h).
 * Writable, the sink's, as the store is.  Not while others use the store. */
int fleece_store_open_consumed (struct fleece_store *store, const char *maps, const char *disk) WARN_UNUSED;

/* What clients have given back; NULL: they may not. */
const struct granule_map *fleece_store_consumed (const struct fleece_store *store);

/* Rule S: data first, then the present bits.  The range must be inside the
 * disk, start at a granule border and end at one or at the disk's end; -EINVAL
 * otherwise.  A granule that is present already is skipped: its data is the
 * frozen one, QEMU sends it again after a reconnect.  So is one that was given back
 * (rule G2), and all where the store is broken by then (B6).  -EDQUOT: more than a
 * limit. */
int fleece_store_write (struct fleece_store *store, const void *data, size_t length, uint64_t offset) WARN_UNUSED;

/* The same for zeros, which take no space. */
int fleece_store_zero (struct fleece_store *store, uint64_t length, uint64_t offset) WARN_UNUSED;

/* When (now_ms) the oldest write or zero that is still under way was asked for;
 * INT64_MAX if there is none.  Never waits for one. */
int64_t fleece_store_busy_since (struct fleece_store *store);

/* Is it broken, and no write or zero under way?  Then none stores anything in it any
 * more (rule B6).  Never waits for one. */
bool fleece_store_rests (struct fleece_store *store);

/* 0, or the positive errno that broke the store: looks at its maps, and whether
 * data or bits were lost that it had taken (rule S4), which then breaks the
 * present map.  To be asked after each read.  Never waits. */
int fleece_store_broken (struct fleece_store *store);

int fleece_store_data_fd (const struct fleece_store *store);
struct granule_map *fleece_store_present (const struct fleece_store *store);

#endif
