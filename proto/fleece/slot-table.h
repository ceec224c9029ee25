/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where in the data of a fleece store the old data of each granule lies.  The data is
 * filled from its beginning: it has slots of one granule each, and who stores a granule
 * takes the next one.  A slot is never taken twice, so that one that a killed sink had
 * taken, and not used, stays empty.
 *
 *   offset 0     header, 4096 bytes, little-endian:
 *                  0  magic "PULLBKST"
 *                  8  u32 version (1)
 *                 12  u32 feature bits (0; an unknown bit refuses to open)
 *                 16  u64 disk size in bytes
 *                 24  u32 granule in bytes (a power of two, 512 .. 1 GiB)
 *                 28  zeros
 *                 32  u64 slots that have been taken
 *                 40  zeros
 *   offset 4096  a u32 per granule: 0: nothing is stored; 2^32-1: zeros, which are
 *                stored nowhere; else one more than its slot
 *
 * The file is sparse, in memory too: 4 KiB of it for each 64 MiB of the disk in which
 * anything is stored.  There are slots for 2^32-2 granules (256 TiB of 64 KiB).
 *
 * A word counts only where the granule is present: it is stored before that bit is set
 * (rule S2) and looked at after it was seen (V1).  Who looks at others may read a hole of
 * the mapping, which on a tmpfs that is full ends in SIGBUS.
 *
 * Threads: one process writes, all of it by any of its threads; any read. */
#ifndef PULLBACK_SLOT_TABLE_H
#define PULLBACK_SLOT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "granule-map.h"

struct slot_table;

/* What the old data of a granule is. */
enum slot_kind { SLOT_ZEROS, SLOT_DATA };

/* Creates PATH (mode 0600, must not exist), nothing stored.  On failure no file is left. */
int slot_table_create (const char *path, uint64_t disk_size, uint32_t granule) WARN_UNUSED;

/* -EINVAL for anything that does not fit PRESENT, or lacks a slot of a granule that is
 * present there; -EPROTONOSUPPORT for another version.  Cost grows with what is present.  A PRESENT that
 * is broken has the right size at most. */
int slot_table_open (const char *path, bool writable, const struct granule_map *present, struct slot_table **table) WARN_UNUSED;
void slot_table_close (struct slot_table *table);

/* Takes N slots that follow each other, for good.  -EFBIG: there are no more. */
int slot_table_take (struct slot_table *table, uint64_t n, uint64_t *first) WARN_UNUSED;

/* The whole granules (or the short one at the end) of [offset, offset+length) lie at PLACE,
 * the beginning of their first slot, and in those that follow.  -ENOSPC and the like where
 * the file system cannot hold the words. */
int slot_table_set (struct slot_table *table, uint64_t offset, uint64_t length, uint64_t place) WARN_UNUSED;
int slot_table_set_zeros (struct slot_table *table, uint64_t offset, uint64_t length) WARN_UNUSED;

/* What [offset, offset+limit), all of it present, is at its start, and *LENGTH bytes on, at
 * least 1: zeros, or data that lies together, at *PLACE.  -EIO: one of the first granule's
 * that no sink can have stored. */
int slot_table_find (const struct slot_table *table, uint64_t offset, uint64_t limit, uint64_t *length, uint64_t *place) WARN_UNUSED;

/* 0, or the positive errno with which words were lost since it was opened (rule S4). */
int slot_table_lost (struct slot_table *table);

#endif
