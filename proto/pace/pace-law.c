/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the guest's latency would be without a pull nobody can measure during
 * one; what it is at the floor can be, and the floor is what the pull gets in
 * any case.  So the floor's latency is learnt for a moment, again and again as the
 * guest's work changes, and the rate between two such moments is steered so that
 * the latency stays near it: up by a constant, down by a factor, which is how
 * several pulls that see the same disk come to equal shares.
 *
 * It steers a rate and not a queue: one read of a quarter of a MiB is already the
 * smallest queue, and many disks are not idle with that. */
#include <config.h>

#include <stddef.h>

#include "checked-math.h"
#include "pace-file.h"
#include "pace-law.h"

#define MS INT64_C (1000000)
#define MIB (UINT64_C (1) << 20)

/* More operations than this in a millisecond are work. */
#define ACTIVE_PER_MS 0.1

/* Idle after so long without work; longer for a guest that works in bursts: where
 * it was idle for less than BURSTY, the next time has to be twice as long. */
#define HOLD (200 * MS)
#define HOLD_MOST (600 * MS)
#define BURSTY (2000 * MS)

/* LEARN takes this, and more where there were fewer transfers. */
#define LEARN_TIME (100 * MS)
#define LEARN_TRANSFERS 8
#define LEARN_MOST (500 * MS)
#define LEARN_AGAIN (3000 * MS)
/* Where it goes on afterwards, as a part of where it was. */
#define RESUME 0.7

/* STEER. */
#define TOLERANCE 1.2           /* latency over reference */
#define DOWN 0.7
#define UP_PER_MS (MIB / 5)     /* 4 MiB/s per 20 ms */
#define SMOOTH (30 * MS)        /* time constant of the latency */
/* Of a rate that is not used nobody knows whether the guest bears it. */
#define USED 0.5
/* Above this the slowest of the guest's requests suffer, which the mean does not
 * show. */
#define ACTIVE_MOST (160 * MIB)

static bool
is_active (const struct pace_sample *sample)
{
  return sample->writes ||
         (sample->knows_operations &&
          (double) sample->operations >
          ACTIVE_PER_MS * (double) sample->length / (double) MS);
}

static void
begin_learning (struct pace_law *law, int64_t now, uint64_t resume)
{
  law->phase = PACE_LEARN;
  law->resume = resume;
  law->since = now;
  law->transfers = law->waited = 0;
}

/* What was asked for before is at the disk yet: this sample says nothing. */
static void
wake (struct pace_law *law, int64_t now)
{
  if (law->hold == 0 || now - law->idle_at >= BURSTY)
    law->hold = HOLD;
  else
    law->hold = law->hold * 2 < HOLD_MOST ? law->hold * 2 : HOLD_MOST;
  law->reference = law->latency = 0;
  begin_learning (law, now, 0);
}

static uint64_t
learn (struct pace_law *law, const struct pace_sample *sample, uint64_t floor)
{
  int64_t spent = sample->now - law->since;

  if (sample->knows_operations) {
    law->transfers += sample->transfers;
    law->waited += sample->waited;
  }
  if (spent < LEARN_TIME ||
      (law->transfers < LEARN_TRANSFERS && spent < LEARN_MOST))
    return floor;
  law->since = sample->now;
  if (law->transfers == 0) {
    law->phase = PACE_BLIND;
    law->reference = law->latency = 0;
    return max_u64 (floor, PACE_FIXED_GATE);
  }
  law->phase = PACE_STEER;
  law->reference = (double) law->waited / (double) law->transfers;
  law->latency = law->reference;
  return max_u64 (floor, (uint64_t) ((double) law->resume * RESUME));
}

static uint64_t
steer (struct pace_law *law, const struct pace_sample *sample, uint64_t floor)
{
  uint64_t rate = law->rate;
  double length = (double) sample->length;

  if (sample->knows_operations && sample->transfers > 0) {
    double seen = (double) sample->waited / (double) sample->transfers;

    law->latency += (seen - law->latency) * length / (length + (double) SMOOTH);
  }
  if (law->latency > TOLERANCE * law->reference) {
    rate = (uint64_t) ((double) rate * DOWN);
    if (rate > floor)
      return rate;
    /* There already: so it costs nothing to learn anew. */
    begin_learning (law, sample->now, 0);
    return floor;
  }
  if ((double) sample->taken >= USED * (double) rate * length / 1e9)
    rate += (uint64_t) ((double) UP_PER_MS * length / (double) MS);
  return max_u64 (floor, min_u64 (rate, ACTIVE_MOST));
}

static bool
has_gone_idle (struct pace_law *law, const struct pace_sample *sample)
{
  if (is_active (sample))
    law->active_at = sample->now;
  return sample->now - law->active_at >= law->hold;
}

/* Its work may have changed.  In BLIND only what can be measured is worth the
 * time. */
static bool
is_time_to_learn (const struct pace_law *law, const struct pace_sample *sample)
{
  return sample->now - law->since >= LEARN_AGAIN &&
         (law->phase != PACE_BLIND ||
          (sample->knows_operations && sample->transfers > 0));
}

uint64_t
pace_law_step (struct pace_law *law, const struct pace_sample *sample,
               uint64_t floor)
{
  bool was_idle = law->phase == PACE_IDLE;

  if (was_idle && !is_active (sample))
    return PACE_UNLIMITED;
  if (!was_idle && has_gone_idle (law, sample)) {
    law->phase = PACE_IDLE;
    law->idle_at = sample->now;
    return PACE_UNLIMITED;
  }
  if (was_idle) {
    law->active_at = sample->now;
    wake (law, sample->now);
    law->rate = floor;
  }
  else if (law->phase == PACE_LEARN)
    law->rate = learn (law, sample, floor);
  else if (is_time_to_learn (law, sample)) {
    begin_learning (law, sample->now, law->rate);
    law->rate = floor;
  }
  else if (law->phase == PACE_STEER)
    law->rate = steer (law, sample, floor);
  return law->rate;
}

/* One sample that shows no work is enough, as it is when a pull goes on. */
uint64_t
pace_law_rest (struct pace_law *law, const struct pace_sample *sample)
{
  int64_t active_at = is_active (sample) ? sample->now : law->active_at;

  *law = (struct pace_law) { .phase = PACE_IDLE, .active_at = active_at };
  return active_at != 0 && sample->now - active_at < HOLD_MOST
         ? PACE_FIXED_GATE : PACE_UNLIMITED;
}

double
pace_law_strain (const struct pace_law *law)
{
  return law->reference > 0 ? law->latency / law->reference : 0;
}
