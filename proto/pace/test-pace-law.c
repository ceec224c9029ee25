/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The law with a simulated disk and guest: no clock, no chance. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "pace-file.h"
#include "pace-law.h"

#define MIB (UINT64_C (1) << 20)
#define MS INT64_C (1000000)
#define FLOOR PACE_FLOOR_DEFAULT
#define STEP (50 * MS)

/* A disk that gives CAPACITY MiB/s, and a guest with one request at a time, whose
 * latency grows as the disk has less to spare. */
struct world {
  double capacity;              /* MiB/s of the disk, of a pull alone */
  double quiet_us;              /* latency of the guest's requests alone */
  double shares;                /* how much of the latency grows with the load */
  bool works, reads_only, no_figures;
  double work_part;             /* of the time; 1: always */
  struct pace_law law;
  int64_t now;
  uint64_t limit;               /* what the law has said last */
  /* Sums since forget (). */
  double pulled, operations, alone;
};

static double
pull_rate (const struct world *w)
{
  double wanted = w->capacity;

  if (w->limit != PACE_UNLIMITED && (double) w->limit / MIB < wanted)
    wanted = (double) w->limit / MIB;
  return wanted;
}

static void
step (struct world *w)
{
  double load = pull_rate (w) / w->capacity;
  double us = w->quiet_us * (1 + w->shares * load * load);
  double ms = (double) STEP / MS;
  struct pace_sample sample = { .length = STEP, .knows_operations = !w->no_figures };

  w->now += STEP;
  sample.now = w->now;
  sample.taken = (uint64_t) (pull_rate (w) * MIB * ms / 1000);
  if (w->works) {
    sample.operations = (uint64_t) (ms * 1000 * w->work_part / us);
    sample.waited = (uint64_t) ((double) sample.operations * us * 1000);
    sample.writes = !w->reads_only;
    w->operations += (double) sample.operations;
    w->alone += ms * 1000 * w->work_part / w->quiet_us;
    if (w->no_figures)
      sample.operations = sample.waited = 0;
    sample.transfers = sample.operations;
  }
  w->pulled += (double) sample.taken / MIB;
  w->limit = pace_law_step (&w->law, &sample, FLOOR);
  assert (w->limit >= FLOOR);
}

static void
run (struct world *w, int64_t time)
{
  int64_t end = w->now + time;

  while (w->now < end)
    step (w);
}

static void
forget (struct world *w)
{
  w->pulled = w->operations = w->alone = 0;
}

static struct world
new_world (double capacity, double quiet_us, double shares)
{
  return (struct world) { .capacity = capacity, .quiet_us = quiet_us,
                          .shares = shares, .work_part = 1,
                          .now = 1000000 * MS, .limit = PACE_UNLIMITED };
}

static void
test_idle_costs_nothing (void)
{
  struct world w = new_world (1000, 200, 10);

  run (&w, 10000 * MS);
  assert (w.law.phase == PACE_IDLE && w.limit == PACE_UNLIMITED);
  assert (w.pulled > 9999);
}

/* What a pull that begins would have. */
static uint64_t
rest (struct world *w, int64_t length, uint64_t operations)
{
  struct pace_sample sample = { .length = length, .knows_operations = true,
                                .operations = operations };

  w->now += length;
  sample.now = w->now;
  return pace_law_rest (&w->law, &sample);
}

static void
test_rest_knows_the_guest (void)
{
  struct world w = new_world (1000, 200, 10);

  assert (rest (&w, 20 * MS, 0) == PACE_UNLIMITED);
  assert (rest (&w, 200 * MS, 100) == PACE_FIXED_GATE);
  /* A pause between two bursts. */
  assert (rest (&w, 400 * MS, 0) == PACE_FIXED_GATE);
  assert (rest (&w, 200 * MS, 0) == PACE_UNLIMITED);
  /* Of a pull that was steered nothing is left. */
  w.works = true;
  run (&w, 2000 * MS);
  assert (w.law.phase != PACE_IDLE);
  assert (rest (&w, 200 * MS, 0) == PACE_FIXED_GATE);
  assert (w.law.phase == PACE_IDLE);
}

static void
check_wakes (bool reads_only)
{
  struct world w = new_world (1000, 200, 10);

  w.reads_only = reads_only;
  run (&w, 1000 * MS);
  w.works = true;
  step (&w);
  assert (w.limit == FLOOR);
  run (&w, 100 * MS);
  assert (w.limit == FLOOR);
  /* Within a second of the guest's last request. */
  run (&w, 5000 * MS);
  assert (w.limit != PACE_UNLIMITED);
  w.works = false;
  run (&w, 950 * MS);
  assert (w.limit == PACE_UNLIMITED);
}

/* A guest that works keeps nearly all of its speed, on any disk, and the pull
 * more than the floor where there is room. */
static void
check_shares (double capacity, double quiet_us, double shares, double least_pull)
{
  struct world w = new_world (capacity, quiet_us, shares);

  w.works = true;
  run (&w, 2000 * MS);
  forget (&w);
  run (&w, 20000 * MS);
  if (w.operations < 0.8 * w.alone || w.pulled / 20 < least_pull)
    fprintf (stderr, "capacity %.0f: %.2f of the guest's, pull %.0f MiB/s\n",
             capacity, w.operations / w.alone, w.pulled / 20);
  assert (w.operations >= 0.8 * w.alone);
  assert (w.pulled / 20 >= least_pull);
}

static void
test_steers (void)
{
  check_shares (2000, 100, 5, 100);
  check_shares (1000, 200, 10, 90);
  check_shares (500, 200, 4, 60);
  check_shares (250, 1000, 4, 30);
}

/* Where even the floor is much for the disk, the pull still gets it. */
static void
test_floor_is_kept (void)
{
  struct world w = new_world (40, 4000, 20);

  w.works = true;
  run (&w, 20000 * MS);
  forget (&w);
  run (&w, 20000 * MS);
  assert (w.pulled / 20 >= 15.9);
}

/* What the guest does changes: its new latency is not taken for suffering. */
static void
test_work_changes (void)
{
  struct world w = new_world (1000, 200, 4);

  w.works = true;
  run (&w, 10000 * MS);
  w.quiet_us = 2000;
  run (&w, 2000 * MS);
  forget (&w);
  run (&w, 10000 * MS);
  assert (w.pulled / 10 > 80 && w.operations >= 0.8 * w.alone);
}

/* Seen by its sink alone. */
static void
test_no_figures (void)
{
  struct world w = new_world (1000, 200, 4);

  w.works = true;
  w.no_figures = true;
  run (&w, 2000 * MS);
  forget (&w);
  run (&w, 10000 * MS);
  assert (w.law.phase == PACE_BLIND && w.limit == PACE_FIXED_GATE);
  assert (w.pulled / 10 > 63 && w.pulled / 10 < 65);
  assert (pace_law_strain (&w.law) == 0);
  w.works = false;
  run (&w, 950 * MS);
  assert (w.limit == PACE_UNLIMITED);
  /* From when they are there, they count. */
  w.works = true;
  w.no_figures = false;
  run (&w, 500 * MS);
  assert (w.law.phase == PACE_STEER);
}

/* A rate that nobody uses does not grow. */
static void
test_unused_does_not_grow (void)
{
  struct world w = new_world (1000, 200, 0.5);
  uint64_t limit;

  w.works = true;
  run (&w, 1000 * MS);
  limit = w.limit;
  w.capacity = 1;               /* a slow client */
  w.shares = 0;
  run (&w, 1000 * MS);
  assert (w.limit <= limit);
}

/* Bursts in short order are one piece of work. */
static void
test_bursts (void)
{
  struct world w = new_world (1000, 200, 10);
  int i, unlimited = 0;

  for (i = 0; i < 40; i++) {
    w.works = true;
    run (&w, 100 * MS);
    w.works = false;
    run (&w, 300 * MS);
    unlimited += i >= 10 && w.limit == PACE_UNLIMITED;
  }
  assert (unlimited == 0);
  run (&w, 700 * MS);
  assert (w.limit == PACE_UNLIMITED);
}

int
main (void)
{
  test_idle_costs_nothing ();
  test_rest_knows_the_guest ();
  check_wakes (false);
  check_wakes (true);
  test_steers ();
  test_floor_is_kept ();
  test_work_changes ();
  test_no_figures ();
  test_unused_does_not_grow ();
  test_bursts ();
  return 0;
}
