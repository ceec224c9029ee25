/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>

#include "checked-math.h"
#include "differ-written.h"

int
differ_written_init (struct differ_written *written, uint64_t size,
                     uint64_t part_least)
{
  uint64_t part = part_least;

  while (size / part >= DIFFER_WRITTEN_BITS)
    part *= 2;
  written->size = size;
  written->part = part;
  written->words = calloc (size / part / 64 + 1, sizeof *written->words);
  return written->words == NULL ? -ENOMEM : 0;
}

void
differ_written_free (struct differ_written *written)
{
  free (written->words);
  written->words = NULL;
}

void
differ_written_add (struct differ_written *written, uint64_t offset,
                    uint64_t length)
{
  uint64_t last = (offset + length - 1) / written->part;

  for (uint64_t i = offset / written->part; i <= last; i++)
    written->words[i / 64] |= UINT64_C (1) << i % 64;
}

uint64_t
differ_written_next (const struct differ_written *written, uint64_t at,
                     uint64_t *end)
{
  uint64_t i = at / written->part;

  while (i * written->part < written->size) {
    uint64_t rest = written->words[i / 64] >> i % 64;

    if (rest == 0)
      i = (i / 64 + 1) * 64;
    else if ((rest & 1) == 0)
      i++;
    else {
      *end = min_u64 ((i + 1) * written->part, written->size);
      return max_u64 (at, i * written->part);
    }
  }
  *end = written->size;
  return written->size;
}
