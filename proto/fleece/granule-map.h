/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bit per granule of a disk, in a file that several processes map.
 *
 * Used for "present" (granule is in the fleece store; written by the sink), for
 * "dirty" (granule changed since a checkpoint; written by the daemon before the
 * view starts), and for "consumed" and "counted" (fleece-consume.h).
 *
 *   offset 0     header, 4096 bytes, little-endian:
 *                  0  magic "PULLBKGM"
 *                  8  u32 version (1)
 *                 12  u32 feature bits (0; an unknown bit refuses to open)
 *                 16  u64 disk size in bytes
 *                 24  u32 granule in bytes (a power of two, 512 .. 1 GiB)
 *                 28  u32 state (enum granule_map_state)
 *                 32  i32 reason (positive errno that caused GRANULE_MAP_BROKEN)
 *                 36  zeros
 *   offset 4096  ceil(granules / 64) u64 words, bit i of word w = granule 64w+i
 *
 * The file is sparse: an all-clear map of a 16 TiB disk takes no blocks.  On
 * tmpfs, where even a look at a hole through a mapping takes a page and may
 * end in SIGBUS, all of it is allocated when it is created (2 MiB per TiB).
 *
 * No process gets a SIGBUS by a full file system (map-file.h).
 *
 * The maps belong in memory (tmpfs).  Elsewhere the kernel may lose what was
 * stored, as for any file (late-error.h): granule_map_broken tells, to all who had
 * the map open, except on overlayfs.
 *
 * Threads: granule_map_set, _clear and _set_broken may be called by many threads of
 * the writing processes, all readers by many threads of many processes. */
#ifndef PULLBACK_GRANULE_MAP_H
#define PULLBACK_GRANULE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define GRANULE_DEFAULT 65536u

enum granule_map_state {
  GRANULE_MAP_SOUND = 0,
  GRANULE_MAP_BROKEN = 1        /* rule B: a guest write passed without us */
};

struct granule_map;

/* Creates PATH (mode 0600, must not exist) all clear and sound.  On failure no
 * file is left. */
int granule_map_create (const char *path, uint64_t disk_size, uint32_t granule) WARN_UNUSED;

/* Maps PATH into *MAP; WRITABLE for the one writing process.  The header and
 * the file's length are checked: -EINVAL for anything that does not fit,
 * -EPROTONOSUPPORT for another version or unknown feature bits. */
int granule_map_open (const char *path, bool writable, struct granule_map **map) WARN_UNUSED;
void granule_map_close (struct granule_map *map);

uint64_t granule_map_disk_size (const struct granule_map *map);
uint32_t granule_map_granule (const struct granule_map *map);

/* Sets all granules that [offset, offset+length) touches, in order, release
 * (rule S2).  -EINVAL if the range is not inside the disk, -EBADF if MAP is not
 * writable, -ENOSPC and the like if the file system cannot hold the words: then
 * no bit was set. */
int granule_map_set (struct granule_map *map, uint64_t offset, uint64_t length) WARN_UNUSED;

/* Clears all granules that [offset, offset+length) touches, and returns how many bytes
 * those of them cover that this call has cleared.  The range must be inside the disk
 * and not empty, MAP writable. */
uint64_t granule_map_clear (struct granule_map *map, uint64_t offset, uint64_t length);

/* Is the granule at byte OFFSET set?  Acquire (rule V1). */
bool granule_map_test (const struct granule_map *map, uint64_t offset);

/* The run of equal bits that starts at byte OFFSET: *SET tells which, the
 * return value is its length in bytes, at least 1, ending at a granule border
 * or the disk's end, cut to at most LIMIT bytes from OFFSET (LIMIT >= 1,
 * offset < disk size).  Acquire.  Cost grows with the words looked at: 64
 * granules a step. */
uint64_t granule_map_run (const struct granule_map *map, uint64_t offset,
                          uint64_t limit, bool *set);

/* Bytes of the disk covered by set granules (the last one may be short). */
uint64_t granule_map_count_bytes (const struct granule_map *map);

/* Bytes of the disk covered by granules that any of the N MAPS, all of one size
 * and granule, has set.  WITHIN: only bytes that it covers as well; of the same
 * disk, its granule is no larger than theirs; NULL: all. */
uint64_t granule_map_count_any (const struct granule_map *const *maps, size_t n,
                                const struct granule_map *within);

/* Rule B.  ERROR is the positive errno that broke it; the first one stays.  MAP
 * must be writable.  Cannot fail: the header's block is there from the start. */
void granule_map_set_broken (struct granule_map *map, int error);

/* 0 while sound, else the positive errno it broke with.  It also breaks where
 * bits were lost since it was opened (rule S4): look after the bits. */
int granule_map_broken (struct granule_map *map);

/* Has anybody set it broken?  Asks the kernel nothing, so that what was lost it does not
 * see.  Acquire. */
bool granule_map_said_broken (const struct granule_map *map);

#endif
