/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs of what differs, against a model that looks at each block alone. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checked-math.h"
#include "differ-blocks.h"

static unsigned char one[DIFFER_PIECE], other[DIFFER_PIECE];

static uint32_t
below (uint32_t n)
{
  return (uint32_t) random () % n;
}

/* The runs for the first LENGTH bytes are as few as they may be, and take all that
 * differs. */
static void
look (uint32_t length, uint32_t block)
{
  static bool differs[DIFFER_PIECE / DIFFER_BLOCK];
  struct differ_run runs[DIFFER_RUNS_MOST];
  unsigned n = differ_blocks (one, other, length, block, runs);
  uint32_t differing = 0, taken = 0, end = 0;

  assert (n <= DIFFER_RUNS_MOST);
  for (uint32_t at = 0; at < length; at += block) {
    uint32_t here = (uint32_t) min_u64 (block, length - at);

    differs[at / block] = memcmp (one + at, other + at, here) != 0;
    differing += differs[at / block] ? here : 0;
  }
  for (unsigned i = 0; i < n; i++) {
    uint32_t from = runs[i].offset, to = from + runs[i].length, inside = 0;

    assert (from % block == 0 && (to % block == 0 || to == length));
    assert (to <= length && from >= end && (i == 0 || from > end));
    assert (differs[from / block] && differs[(to - 1) / block]);
    for (uint32_t at = end; at < from; at += block)
      assert (!differs[at / block]);
    for (uint32_t at = from; at < to; at += block)
      inside += differs[at / block] ? (uint32_t) min_u64 (block, to - at) : 0;
    assert (inside == runs[i].differing);
    assert ((runs[i].length - inside) * DIFFER_CLOSE <= inside);
    /* Not to be joined with the one before. */
    if (i > 0) {
      uint32_t both = runs[i - 1].differing + inside;

      assert ((to - runs[i - 1].offset - both) * DIFFER_CLOSE > both);
    }
    taken += inside;
    end = to;
  }
  for (uint32_t at = end; at < length; at += block)
    assert (!differs[at / block]);
  assert (taken == differing);
}

static void
test_by_hand (void)
{
  struct differ_run runs[DIFFER_RUNS_MOST];

  assert (differ_blocks (one, other, 0, 4096, runs) == 0);
  assert (differ_blocks (one, other, DIFFER_PIECE, 4096, runs) == 0);
  /* The last byte of a short block. */
  other[8192 + 99] ^= 1;
  assert (differ_blocks (one, other, 8192 + 99, 4096, runs) == 0);
  assert (differ_blocks (one, other, 8192 + 100, 4096, runs) == 1);
  assert (runs[0].offset == 8192 && runs[0].length == 100);
  assert (differ_blocks (one, other, 8192 + 100, 65536, runs) == 1);
  assert (runs[0].offset == 0 && runs[0].length == 8192 + 100);
  other[8192 + 99] ^= 1;
  /* One block of 32 that is equal is written as well, of 31 it is not. */
  memset (other + 4096, 1, 33 * 4096);
  memset (other + 20 * 4096, 0, 4096);
  assert (differ_blocks (one, other, DIFFER_PIECE, 4096, runs) == 1);
  assert (runs[0].length == 33 * 4096 && runs[0].differing == 32 * 4096);
  memset (other + 33 * 4096, 0, 4096);
  assert (differ_blocks (one, other, DIFFER_PIECE, 4096, runs) == 2);
  memset (other, 0, sizeof other);
  /* All that there can be. */
  for (unsigned i = 0; i < DIFFER_PIECE; i += 8192)
    other[i + 4096] = 1;
  assert (differ_blocks (one, other, DIFFER_PIECE, 4096, runs) ==
          DIFFER_RUNS_MOST);
  look (DIFFER_PIECE, 4096);
  memset (other, 0, sizeof other);
}

static void
test_random (void)
{
  const char *given = getenv ("SEED");
  unsigned seed = given != NULL ? (unsigned) strtoul (given, NULL, 10)
                  : (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  srandom (seed);
  for (unsigned i = 0; i < 400; i++) {
    uint32_t length = 1 + below (DIFFER_PIECE);
    uint32_t block = UINT32_C (4096) << below (5), places = below (70);

    memcpy (other, one, sizeof other);
    for (uint32_t j = 0; j < places; j++) {
      uint32_t at = below (length), most = 1 + below (i % 2 ? 1000 : 60000);

      for (uint32_t k = at; k < length && k < at + most; k++)
        other[k] ^= 0x55;
    }
    look (length, block);
  }
}

int
main (void)
{
  test_by_hand ();
  assert (differ_blocks_zero (one, sizeof one));
  one[DIFFER_PIECE - 1] = 1;
  assert (!differ_blocks_zero (one, sizeof one));
  assert (differ_blocks_zero (one, sizeof one - 1));
  for (unsigned i = 0; i < sizeof one; i++)
    one[i] = (unsigned char) random ();
  test_random ();
  return 0;
}
