/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Most of what is compared is equal: it is looked at in steps that are as large as
 * the processor's caches like them, and block by block only where one differs. */
#include <config.h>

#include <string.h>

#include "checked-math.h"
#include "differ-blocks.h"

#define STEP (64 * 1024)

const unsigned char differ_blocks_zeros[DIFFER_PIECE];

bool
differ_blocks_zero (const unsigned char *bytes, uint32_t length)
{
  return memcmp (bytes, differ_blocks_zeros, length) == 0;
}

/* The block at OFFSET differs: it is of the last run, or begins a new one. */
static unsigned
add (struct differ_run *runs, unsigned n, uint32_t offset, uint32_t length)
{
  if (n > 0 && runs[n - 1].offset + runs[n - 1].length == offset) {
    runs[n - 1].length += length;
    runs[n - 1].differing += length;
    return n;
  }
  runs[n] = (struct differ_run) { .offset = offset, .length = length,
                                  .differing = length };
  return n + 1;
}

static unsigned
join (struct differ_run *runs, unsigned n)
{
  unsigned kept = 0;

  for (unsigned i = 1; i < n; i++) {
    struct differ_run *last = &runs[kept];
    uint32_t length = runs[i].offset + runs[i].length - last->offset;
    uint32_t differing = last->differing + runs[i].differing;

    if ((length - differing) * DIFFER_CLOSE <= differing) {
      last->length = length;
      last->differing = differing;
    } else
      runs[++kept] = runs[i];
  }
  return n == 0 ? 0 : kept + 1;
}

unsigned
differ_blocks (const unsigned char *one, const unsigned char *other,
               uint32_t length, uint32_t block,
               struct differ_run runs[DIFFER_RUNS_MOST])
{
  unsigned n = 0;

  for (uint32_t step = 0; step < length; step += STEP) {
    uint32_t end = (uint32_t) min_u64 (step + STEP, length);

    if (memcmp (one + step, other + step, end - step) == 0)
      continue;
    for (uint32_t at = step; at < end; at += block) {
      uint32_t here = (uint32_t) min_u64 (block, end - at);

      if (memcmp (one + at, other + at, here) != 0)
        n = add (runs, n, at, here);
    }
  }
  return join (runs, n);
}
