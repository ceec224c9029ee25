/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives back the space of old data that clients need no more: for the view, when a
 * client says so.  What is given back cannot be read again (rules G1 to G4).
 *
 *   MAPS/DISK.consumed   granules that were given back.  The view sets bits, and none
 *                        is ever cleared.
 *   MAPS/DISK.counted    granules whose data counts in the figures as used.  The sink
 *                        sets a bit before it stores data, the view clears it when it
 *                        has taken that out of the store, and who has cleared it gives
 *                        the bytes back: no byte is given back twice.
 *
 * What the sink stores at the same moment may stay in the store, and count, until the
 * range is given back once more, or the backup ends. */
#ifndef PULLBACK_FLEECE_CONSUME_H
#define PULLBACK_FLEECE_CONSUME_H

#include <stdint.h>

#include "fleece-store.h"

struct fleece_consume;

/* STORE is DISK's, with its maps of what is given back open; FIGURES count what it
 * takes (NULL: nobody does).  Both are borrowed. */
int fleece_consume_open (const char *folder, const char *maps, const char *disk, struct fleece_store *store, struct scratch_figures *figures, struct fleece_consume **consume) WARN_UNUSED;
void fleece_consume_close (struct fleece_consume *consume);

/* Gives back the granules that are whole inside of [offset, offset+length), which must
 * be inside the disk.  When it returns 0, or an error that is not -ENOSPC or the like of
 * the map, no read begun later gets them.  It may be done again.  It may wait until
 * what it takes out was written back; the sink waits for small pieces only.  -EIO may
 * mean that the store has lost data, and is broken.  Threads: any. */
int fleece_consume_range (struct fleece_consume *consume, uint64_t offset, uint64_t length) WARN_UNUSED;

#endif
