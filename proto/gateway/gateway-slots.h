/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which parts of a connection's memory are lent to the view.  A slot is given out
 * only after the view has answered for it, so that there is never a second request
 * for a place that may still be written to (M2).  Lowest first: what was touched
 * last is in the processor's cache, and the memory that is used stays small.
 * One thread at a time. */
#ifndef PULLBACK_GATEWAY_SLOTS_H
#define PULLBACK_GATEWAY_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"
#include "handover-offset.h"

#define SLOTS (HANDOVER_BYTES / HANDOVER_UNIT)

/* All zero: all are free. */
struct slots {
  bool lent[SLOTS];
};

/* Lends LENGTH bytes (> 0) of the first LIMIT.  *SLOT is where they begin.  -EAGAIN:
 * there is no such place now. */
int gateway_slots_take (struct slots *slots, uint32_t length, uint64_t limit, uint32_t *slot) WARN_UNUSED;

/* The same LENGTH. */
void gateway_slots_give (struct slots *slots, uint32_t slot, uint32_t length);

#endif
