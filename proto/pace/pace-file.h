/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pace file: how many bytes per second may be taken from one thing (a
 * backing device, a host, a backup), shared by all processes that take some.
 * It holds
 *
 *   - what a person allows (fixed), and the least that pacing allows (floor);
 *   - when a guest on that device wrote last, as its sink saw it;
 *   - slots: what the daemon allows for the sake of one guest, and since when;
 *   - a bucket of tokens, and how many bytes were taken.
 *
 * Every word stands for itself, so that any process may be killed at any time.
 * Times are nanoseconds of CLOCK_MONOTONIC; nothing here waits or locks.
 *
 * Rates are bytes per second.  0 or -errno.  Threads: any. */
#ifndef PULLBACK_PACE_FILE_H
#define PULLBACK_PACE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

#define PACE_UNLIMITED UINT64_MAX

/* Paced bytes per second are never less, whatever the guest does. */
#define PACE_FLOOR_DEFAULT (UINT64_C (16) << 20)

/* While it is not known how the guest fares: for a guest that writes where no
 * daemon looks, and for the first moment of a pull. */
#define PACE_FIXED_GATE (UINT64_C (64) << 20)

/* A guest counts as active for so long after a write. */
#define PACE_HOLD_NS INT64_C (200000000)

/* What the daemon has said for the last time so long ago does not count. */
#define PACE_STALE_NS INT64_C (1000000000)

/* The longest that one taking is paid for; a bucket further ahead is garbage. */
#define PACE_AHEAD_NS INT64_C (60000000000)

/* How much may be taken at once after a pause. */
#define PACE_BURST (UINT64_C (1) << 20)

struct pace;

/* Makes the file PATH if it is not there, or is none. */
int pace_create (const char *path, struct pace **pace) WARN_UNUSED;

/* -EINVAL: it is no pace file. */
int pace_open (const char *path, struct pace **pace) WARN_UNUSED;

/* NULL is nothing. */
void pace_close (struct pace *pace);

int64_t pace_now (void);

/* --- what is allowed ------------------------------------------------ */

/* RATE 0: nothing is fixed. */
void pace_set_fixed (struct pace *pace, uint64_t rate);
uint64_t pace_fixed (const struct pace *pace);

/* 0: PACE_FLOOR_DEFAULT. */
void pace_set_floor (struct pace *pace, uint64_t rate);
uint64_t pace_floor_rate (const struct pace *pace);

/* A guest writes.  One store. */
void pace_arrived (struct pace *pace, int64_t now);

/* Did one within the last PACE_HOLD_NS? */
bool pace_writes (const struct pace *pace, int64_t now);

/* What may be taken per second at NOW: the least of what is fixed, of what fresh
 * slots allow, and, while a guest writes of whom no slot knows, of the floor (the
 * gate, where no slot is fresh).  Or PACE_UNLIMITED. */
uint64_t pace_limit (const struct pace *pace, int64_t now);

/* --- taking --------------------------------------------------------- */

/* Takes BYTES at RATE (not PACE_UNLIMITED) if they are due.  False: nothing was
 * taken, try again at pace_due.  Who tries first gets them. */
bool pace_take (struct pace *pace, uint64_t bytes, uint64_t rate, int64_t now) WARN_UNUSED;

/* When some may be taken; it may have passed. */
int64_t pace_due (const struct pace *pace, int64_t now);

/* BYTES were taken.  All that were since the file was made. */
void pace_count (struct pace *pace, uint64_t bytes);
uint64_t pace_counted (const struct pace *pace);

/* --- slots, for the daemon ------------------------------------------ */

#define PACE_SLOTS 61

/* Takes a slot for OWNER, which is odd and nobody else's, also one whose owner
 * has not said anything for a while.  Its number.  Who finds none free gets the
 * last one, which they share: the least said there lately counts. */
int pace_slot_take (struct pace *pace, uint64_t owner, int64_t now);

/* Fails with -ESTALE where it is another's by now: take one anew. */
int pace_slot_say (struct pace *pace, int slot, uint64_t owner, uint64_t limit,
                   int64_t now) WARN_UNUSED;
void pace_slot_leave (struct pace *pace, int slot, uint64_t owner);

#endif
