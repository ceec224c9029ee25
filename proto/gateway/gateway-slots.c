/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "checked-math.h"
#include "gateway-slots.h"

static uint32_t
units_of (uint32_t length)
{
  return (length + HANDOVER_UNIT - 1) / HANDOVER_UNIT;
}

int
gateway_slots_take (struct slots *slots, uint32_t length, uint64_t limit,
                    uint32_t *slot)
{
  uint32_t units = units_of (length), free_units = 0, i;
  uint32_t end = (uint32_t) min_u64 (limit / HANDOVER_UNIT, SLOTS);

  for (i = 0; i < end && free_units < units; i++)
    free_units = slots->lent[i] ? 0 : free_units + 1;
  if (free_units < units)
    return -EAGAIN;
  *slot = (i - units) * HANDOVER_UNIT;
  memset (slots->lent + (i - units), true, units);
  return 0;
}

void
gateway_slots_give (struct slots *slots, uint32_t slot, uint32_t length)
{
  memset (slots->lent + slot / HANDOVER_UNIT, false, units_of (length));
}
