/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How fast a backup may read while its guest works: from what the guest's
 * requests take, a rate.  docs/pacing.md draws it.
 *
 * Pure: no clock, no I/O.  Threads: one at a time per struct pace_law. */
#ifndef PULLBACK_PACE_LAW_H
#define PULLBACK_PACE_LAW_H

#include <stdbool.h>
#include <stdint.h>

/* What was seen in the LENGTH ns before NOW. */
struct pace_sample {
  int64_t now, length;          /* ns; LENGTH from 1 on */
  bool knows_operations;        /* the next three lines are figures */
  uint64_t operations;          /* requests of the guest that were completed */
  uint64_t transfers;           /* of these, reads and writes */
  uint64_t waited;              /* ns that the transfers took together */
  bool writes;                  /* old data has arrived at the sink lately */
  uint64_t taken;               /* bytes read from the device */
};

enum pace_phase {
  PACE_IDLE,                    /* the guest does nothing: unlimited */
  PACE_LEARN,                   /* at the floor: what is its latency there? */
  PACE_STEER,                   /* as fast as that stays about the same */
  PACE_BLIND                    /* it works, but its latency is not known */
};

/* All zeros is a new one, idle. */
struct pace_law {
  enum pace_phase phase;
  uint64_t rate;                /* bytes per second, of LEARN, STEER and BLIND */
  uint64_t resume;              /* what to go on with after LEARN; 0: the floor */
  int64_t since;                /* begin of LEARN; last LEARN, of STEER and BLIND */
  int64_t active_at;            /* when the guest did something last */
  int64_t idle_at;              /* begin of IDLE */
  int64_t hold;                 /* ns without activity that make it idle */
  uint64_t transfers, waited;   /* sums of LEARN */
  double reference;             /* ns per transfer at the floor */
  double latency;               /* ns per transfer, smoothed */
};

/* The rate from now on, or PACE_UNLIMITED; never below FLOOR. */
uint64_t pace_law_step (struct pace_law *law, const struct pace_sample *sample, uint64_t floor);

/* The same while nobody reads: what a pull that begins now is to have until the first
 * step.  Of the law only when the guest was active is kept. */
uint64_t pace_law_rest (struct pace_law *law, const struct pace_sample *sample);

/* LATENCY / REFERENCE; 0: not known. */
double pace_law_strain (const struct pace_law *law);

#endif
