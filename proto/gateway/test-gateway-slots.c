/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway-slots.h"

#define LOANS 64

struct loan {
  uint32_t slot, length;        /* 0: none */
};

static void
check_edges (void)
{
  static struct slots slots;
  uint32_t slot = 1, i;

  assert (gateway_slots_take (&slots, 1, HANDOVER_UNIT - 1, &slot) == -EAGAIN);
  assert (gateway_slots_take (&slots, HANDOVER_BYTES, HANDOVER_BYTES, &slot)
          == 0 && slot == 0);
  assert (gateway_slots_take (&slots, 1, UINT64_MAX, &slot) == -EAGAIN);
  gateway_slots_give (&slots, 0, HANDOVER_BYTES);
  for (i = 0; i < SLOTS; i++)
    assert (gateway_slots_take (&slots, 1, HANDOVER_BYTES, &slot) == 0 &&
            slot == i * HANDOVER_UNIT);
  /* The only place is in the middle, and too small. */
  gateway_slots_give (&slots, 8 * HANDOVER_UNIT, 2 * HANDOVER_UNIT);
  assert (gateway_slots_take (&slots, 2 * HANDOVER_UNIT + 1, HANDOVER_BYTES,
                              &slot) == -EAGAIN);
  assert (gateway_slots_take (&slots, HANDOVER_UNIT + 1, HANDOVER_BYTES, &slot)
          == 0 && slot == 8 * HANDOVER_UNIT);
}

/* No two loans have a byte in common, and none is beyond the limit. */
static void
check_apart (const struct loan *loans, const struct loan *new, uint64_t limit)
{
  const struct loan *loan;

  assert (new->slot % HANDOVER_UNIT == 0);
  assert ((uint64_t) new->slot + new->length <= limit);
  for (loan = loans; loan < loans + LOANS; loan++)
    assert (loan == new || loan->length == 0 ||
            loan->slot + loan->length <= new->slot ||
            new->slot + new->length <= loan->slot);
}

static void
check_random (void)
{
  static struct slots slots;
  struct loan loans[LOANS] = { { 0, 0 } };
  unsigned seed = (unsigned) time (NULL), i, refused = 0;

  printf ("seed %u\n", seed);
  for (i = 0; i < 200000; i++) {
    struct loan *loan = &loans[(unsigned) rand_r (&seed) % LOANS];
    uint64_t limit = HANDOVER_BYTES >> (unsigned) rand_r (&seed) % 4;

    if (loan->length > 0) {
      gateway_slots_give (&slots, loan->slot, loan->length);
      loan->length = 0;
      continue;
    }
    loan->length = (uint32_t) rand_r (&seed) % (limit / 4) + 1;
    if (gateway_slots_take (&slots, loan->length, limit, &loan->slot) < 0) {
      loan->length = 0;
      refused++;
    } else
      check_apart (loans, loan, limit);
  }
  assert (refused > 0 && refused < i / 2);
  for (i = 0; i < LOANS; i++)
    if (loans[i].length > 0)
      gateway_slots_give (&slots, loans[i].slot, loans[i].length);
  assert (gateway_slots_take (&slots, HANDOVER_BYTES, HANDOVER_BYTES,
                              &loans[0].slot) == 0);
}

int
main (void)
{
  check_edges ();
  check_random ();
  return 0;
}
