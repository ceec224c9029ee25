/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A few places say little of each cluster, but much of the whole: another image,
 * tables that are not in the file yet, or a layout that is read wrongly show in
 * most of them.  Half of the places are anywhere, where data that is not found
 * reads as zeros, and half where there is data. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "checked-math.h"
#include "deadline.h"
#include "source-probe.h"

#define REGIONS 8u
#define PIECE 4096u
/* Runs that are looked at to find data. */
#define EXTENTS 32

struct probe {
  struct source *one, *other;
  const struct source_config *config;
  uint64_t disk_size;
};

static int
read_now (struct source *source, void *buffer, uint64_t length,
          uint64_t offset)
{
  struct io_ring_batch batch;
  int r;

  batch.count = 0;
  r = source_read (source, &batch, buffer, length, offset);
  return r < 0 ? r : io_ring_batch_read (&batch);
}

static int
probe_at (const struct probe *probe, uint64_t offset)
{
  const struct source_config *config = probe->config;
  uint64_t length = min_u64 (PIECE, probe->disk_size - offset);
  char one[PIECE], other[PIECE];
  int r = read_now (probe->one, one, length, offset);

  if (read_now (probe->other, other, length, offset) < 0 ||
      (r == 0 && memcmp (one, other, length) == 0))
    return 0;
  return config->written (config->written_context, offset, length) ? 0
         : -ESTALE;
}

/* The first data in the region, if it begins within so many runs; else its
 * start. */
static uint64_t
find_data (const struct probe *probe, uint64_t start, uint64_t length)
{
  struct source_extent extents[EXTENTS];
  size_t count = EXTENTS, i;
  uint64_t data_until = 0, at = start;
  int r = source_extents (probe->one, start, length, extents, &count,
                          &data_until);

  for (i = 0; r == 0 && i < count && extents[i].hole; i++)
    at += extents[i].length;
  return r == 0 && i < count ? at : start;
}

/* Not the same place each time. */
static uint64_t
somewhere (uint64_t start, uint64_t length, uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return round_down_pow2 (start + *state % length, 512);
}

int
source_probe (struct source *one, struct source *other,
              const struct source_config *config, uint64_t disk_size,
              uint64_t *offset)
{
  struct probe probe = { one, other, config, disk_size };
  uint64_t region = max_u64 (disk_size / REGIONS, 1), start;
  uint64_t state = (uint64_t) now_ms () | 1;
  int r = 0;

  if (config->written == NULL)
    return 0;
  for (start = 0; r == 0 && start < disk_size; start += region) {
    uint64_t length = min_u64 (region, disk_size - start);

    *offset = find_data (&probe, start, length);
    r = probe_at (&probe, *offset);
    if (r < 0)
      break;
    *offset = somewhere (start, length, &state);
    r = probe_at (&probe, *offset);
  }
  return r;
}
