/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps that are told bit by bit and forgotten behind the work, against one that knows
 * each byte; where was written; and the lines of counts. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checked-math.h"
#include "differ-counts.h"
#include "differ-map.h"
#include "differ-written.h"

#define MIB (UINT64_C (1) << 20)
#define TIB (UINT64_C (1) << 40)

static uint32_t
below (uint32_t n)
{
  return (uint32_t) random () % n;
}

static void
test_map_by_hand (void)
{
  struct differ_map map;
  bool zero = true;

  differ_map_init (&map, 3 * MIB + 5, 4096);
  assert (differ_map_look (&map, MIB, &zero) == 0);
  assert (differ_map_add (&map, 100, true) == 0);
  /* Not a whole grain yet: what comes may make it one. */
  assert (differ_map_look (&map, MIB, &zero) == 0);
  assert (differ_map_add (&map, 10000, true) == 0);
  assert (differ_map_look (&map, MIB, &zero) == 8192 && zero);
  assert (differ_map_add (&map, 2 * MIB, false) == 0);
  differ_map_pass (&map, 8192);
  assert (differ_map_look (&map, 65536, &zero) == 65536 && !zero);
  /* A zero in the middle of data, and one that is too short. */
  assert (differ_map_add (&map, 4000, true) == 0);
  assert (differ_map_add (&map, 4096, false) == 0);
  assert (differ_map_add (&map, 4 * MIB, true) == 0);
  assert (map.end == map.size);
  assert (differ_map_look (&map, 16 * MIB, &zero) ==
          round_up_pow2 (10100 + 2 * MIB + 4000 + 4096, 4096) - 8192);
  assert (!zero);
  differ_map_pass (&map, 3 * MIB - 4096);
  assert (differ_map_look (&map, MIB, &zero) == 4096 && zero);
  /* The end of a disk that is no multiple is looked at. */
  differ_map_pass (&map, 3 * MIB);
  assert (differ_map_look (&map, MIB, &zero) == 5 && !zero);
  differ_map_pass (&map, 3 * MIB + 5);
  assert (differ_map_look (&map, MIB, &zero) == 0);
  assert (differ_map_add (&map, 1, true) == 0);
  differ_map_free (&map);
}

static void
test_map_is_bounded (void)
{
  struct differ_map map;
  unsigned i;

  differ_map_init (&map, TIB, 4096);
  for (i = 0; i < DIFFER_MAP_MOST; i++)
    assert (differ_map_add (&map, 4096, i % 2 == 0) == 0);
  assert (differ_map_add (&map, 4096, true) == -ENOSPC);
  assert (differ_map_add (&map, 4096, false) == 0);
  differ_map_pass (&map, 4096 * 10);
  assert (differ_map_add (&map, 4096, true) == 0);
  differ_map_pass (&map, TIB / 2);
  assert (map.end == TIB / 2 && map.n == 0);
  differ_map_free (&map);
}

/* A walk over a random disk, told in pieces. */
static void
walk (void)
{
  static bool zero[200000];
  uint64_t size = 1 + below (sizeof zero), told = 0, at = 0;
  uint64_t grain = UINT64_C (512) << below (5), most = grain << below (4);
  struct differ_map map;

  for (uint64_t i = 0, n; i < size; i += n) {
    n = min_u64 (1 + below ((uint32_t) (below (2) ? 700 : 30000)), size - i);
    memset (zero + i, below (2) != 0, n);
  }
  differ_map_init (&map, size, grain);
  while (at < size) {
    bool is_zero;
    uint64_t n = differ_map_look (&map, most, &is_zero);

    if (n == 0) {
      uint64_t same = 1;

      assert (told < size);
      while (told + same < size && zero[told + same] == zero[told])
        same++;
      same = 1 + below ((uint32_t) same);
      assert (differ_map_add (&map, same, zero[told]) == 0);
      told += same;
      continue;
    }
    assert (at + n <= told && (n % grain == 0 || at + n == size));
    assert (is_zero || n <= most);
    for (uint64_t i = at; i < at + n && is_zero; i++)
      assert (zero[i]);
    /* What is called data begins with a grain that is not all zero. */
    for (uint64_t i = at; !is_zero && at + grain <= size; i++) {
      assert (i < at + grain);
      if (!zero[i])
        break;
    }
    if (below (4) == 0)
      n = min_u64 (round_up_pow2 (1 + below ((uint32_t) n), grain), n);
    at += n;
    differ_map_pass (&map, at);
  }
  differ_map_free (&map);
}

static void
test_written (void)
{
  struct differ_written written;
  uint64_t end;

  assert (differ_written_init (&written, 16 * TIB + 1, 65536) == 0);
  assert (written.part == 4 * MIB);
  assert (differ_written_next (&written, 0, &end) == 16 * TIB + 1);
  differ_written_add (&written, 16 * TIB, 1);
  differ_written_add (&written, 8 * MIB - 1, 2);
  assert (differ_written_next (&written, 0, &end) == 4 * MIB);
  assert (end == 8 * MIB);
  assert (differ_written_next (&written, 6 * MIB, &end) == 6 * MIB);
  assert (differ_written_next (&written, 8 * MIB, &end) == 8 * MIB);
  assert (differ_written_next (&written, 12 * MIB, &end) == 16 * TIB);
  assert (end == 16 * TIB + 1);
  differ_written_free (&written);
}

static void
test_lines (void)
{
  struct differ_counts counts = {
    .state = DIFFER_VERIFYING, .total = UINT64_MAX, .done = UINT64_MAX,
    .equal = UINT64_MAX, .differing = UINT64_MAX, .written = UINT64_MAX,
    .zeroed = UINT64_MAX, .verified = UINT64_MAX, .left = UINT64_MAX
  };
  char line[400];

  differ_counts_json (&counts, UINT64_MAX, line, sizeof line);
  assert (strlen (line) + 1 < sizeof line && line[strlen (line) - 1] == '}');
  differ_counts_text (&counts, UINT64_MAX, line, sizeof line);
  assert (strlen (line) + 1 < sizeof line);
  counts = (struct differ_counts) { .total = 3 * MIB, .done = 1536 * 1024,
                                    .differing = 100 };
  differ_counts_text (&counts, 2048, line, sizeof line);
  assert (strcmp (line, "comparing: 1.5 MiB of 3.0 MiB (50 %), 100 bytes "
                  "differed, 0 bytes written, 0 bytes zeroed, 2.0 KiB/s") == 0);
  differ_counts_json (&counts, 7, line, sizeof line);
  assert (strcmp (line, "{\"state\":\"comparing\",\"total\":3145728,\"done\":"
                  "1572864,\"equal\":0,\"differing\":100,\"written\":0,"
                  "\"zeroed\":0,\"verified\":0,\"left\":0,\"rate\":7}") == 0);
}

int
main (void)
{
  const char *given = getenv ("SEED");
  unsigned seed = given != NULL ? (unsigned) strtoul (given, NULL, 10)
                  : (unsigned) time (NULL);

  printf ("SEED=%u\n", seed);
  srandom (seed);
  test_map_by_hand ();
  test_map_is_bounded ();
  for (int i = 0; i < 200; i++)
    walk ();
  test_written ();
  test_lines ();
  return 0;
}
