/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every interleaving of the view's steps with those of the sink and the guest:
 * the view shows the frozen disk or fails with EIO, or EPERM where a client has given
 * back what is read, never anything else.  The
 * same runs without the second look must find wrong data: then the test would
 * see a broken rule. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "point-in-time.h"
#include "test-scripted-source.h"

static const struct point_in_time_ops ops = {
  .look = scripted_look,
  .read_base = scripted_read_base,
  .read_fleece = scripted_read_fleece,
  .finish = scripted_finish,
  .broken = scripted_broken,
  .base_extents = scripted_base_extents,
  .fleece_extents = scripted_fleece_extents,
};

static const struct point_in_time_ops consume_ops = {
  .look = scripted_look,
  .read_base = scripted_read_base,
  .read_fleece = scripted_read_fleece,
  .finish = scripted_finish,
  .broken = scripted_broken,
  .consumed = scripted_consumed,
  .base_extents = scripted_base_extents,
  .fleece_extents = scripted_fleece_extents,
};

/* Only granule 1 is dirty. */
static uint64_t
wanted_one (void *context, uint64_t offset, uint64_t limit, bool *wanted)
{
  uint64_t granule = offset / SCRIPTED_GRANULE;
  uint64_t border = granule == 0 ? SCRIPTED_GRANULE :
                    granule == 1 ? 2 * SCRIPTED_GRANULE : SCRIPTED_BYTES;

  *wanted = granule == 1;
  return limit < border - offset ? limit : border - offset;
}

static const struct point_in_time_ops wanted_ops = {
  .look = scripted_look,
  .read_base = scripted_read_base,
  .read_fleece = scripted_read_fleece,
  .finish = scripted_finish,
  .broken = scripted_broken,
  .wanted = wanted_one,
};

struct outcome {
  unsigned long runs, right, refused, wrong;
};

/* Runs one read or one walk over the extents; 0, -EIO, or 1 for wrong. */
typedef int (*run_once) (const struct point_in_time *view,
                         struct scripted_source *s);

static int
run_read (const struct point_in_time *view, struct scripted_source *s)
{
  char buffer[SCRIPTED_BYTES];
  int r;

  memset (buffer, '?', sizeof buffer);
  r = point_in_time_read (view, buffer, s->size, 0);
  return r < 0 ? r : memcmp (buffer, s->frozen, s->size) != 0;
}

/* Starts and ends inside granules. */
static int
run_read_unaligned (const struct point_in_time *view,
                    struct scripted_source *s)
{
  char buffer[SCRIPTED_BYTES];
  int r;

  r = point_in_time_read (view, buffer, s->size - 2, 1);
  return r < 0 ? r : memcmp (buffer, s->frozen + 1, s->size - 2) != 0;
}

static int
run_read_wanted (const struct point_in_time *view, struct scripted_source *s)
{
  char buffer[SCRIPTED_BYTES], want[SCRIPTED_BYTES] = { 0 };
  int r;

  r = point_in_time_read (view, buffer, s->size, 0);
  memcpy (want + SCRIPTED_GRANULE, s->frozen + SCRIPTED_GRANULE,
          SCRIPTED_GRANULE);
  return r < 0 ? r : memcmp (buffer, want, s->size) != 0;
}

struct walk {
  struct scripted_source *s;
  uint64_t at;
  bool wrong;
};

static int
take_extent (void *data, uint64_t offset, uint64_t length, bool hole)
{
  struct walk *walk = data;
  uint64_t i;

  if (offset != walk->at || length == 0 || offset + length > walk->s->size)
    walk->wrong = true;
  walk->at += length;
  for (i = offset; hole && i < walk->at && i < walk->s->size; i++)
    walk->wrong |= walk->s->frozen[i] != 0;
  return 0;
}

static int
run_extents (const struct point_in_time *view, struct scripted_source *s)
{
  struct walk walk = { s, 0, false };
  int r;

  while (walk.at < s->size) {
    uint64_t before = walk.at;

    r = point_in_time_extents (view, walk.at, s->size - walk.at, take_extent,
                               &walk);
    if (r < 0)
      return r;
    if (walk.at == before)
      return 1;                 /* no progress */
  }
  return walk.wrong;
}

/* An error that has a cause. */
static bool
may_refuse (const struct scripted_source *s, int error)
{
  unsigned i;

  for (i = 0; error == -EPERM && i < SCRIPTED_GRANULES; i++)
    if (s->consumed[i])
      return true;
  return error == -EIO && s->broken != 0;
}

static struct outcome
run_all (struct scripted_source *s, const struct point_in_time_ops *o,
         run_once once, bool skip_second_look)
{
  struct point_in_time view = { o, s, skip_second_look };
  struct outcome outcome = { 0 };

  s->decisions = 0;
  do {
    int r;

    scripted_start (s);
    r = once (&view, s);
    outcome.runs++;
    if (r == 0)
      outcome.right++;
    else if (may_refuse (s, r))
      outcome.refused++;
    else
      outcome.wrong++;
  } while (scripted_next (s));
  return outcome;
}

static int failures;

static void
check (const char *what, struct scripted_source *s,
       const struct point_in_time_ops *o, run_once once)
{
  struct outcome good = run_all (s, o, once, false);
  struct outcome bad = run_all (s, o, once, true);

  printf ("%s: %lu runs, %lu right, %lu refused, %lu wrong; "
          "without the second look %lu of %lu wrong\n", what, good.runs,
          good.right, good.refused, good.wrong, bad.wrong, bad.runs);
  if (good.wrong != 0 || good.right == 0 || bad.wrong == 0)
    failures++;
}

/* Parts are given back meanwhile: with a view that does not look there must be wrong
 * data. */
static void
check_consume (const char *what, struct scripted_source *s, run_once once)
{
  struct outcome good = run_all (s, &consume_ops, once, false);
  struct outcome bad = run_all (s, &ops, once, false);

  printf ("%s: %lu runs, %lu right, %lu refused, %lu wrong; "
          "without looking %lu of %lu wrong\n", what, good.runs, good.right,
          good.refused, good.wrong, bad.wrong, bad.runs);
  if (good.wrong != 0 || good.right == 0 || bad.wrong == 0)
    failures++;
}

static void
add (struct scripted_sink *sink, enum scripted_act act, unsigned granule)
{
  sink->steps[sink->count++] = (struct scripted_step) { act, granule };
}

static void
add_write (struct scripted_sink *sink, unsigned granule,
           enum scripted_act guest)
{
  add (sink, SCRIPTED_STORE, granule);
  add (sink, SCRIPTED_MARK, granule);
  add (sink, guest, granule);
}

static struct scripted_source
world (uint64_t size, bool torn)
{
  struct scripted_source s = { .size = size, .torn = torn };

  memcpy (s.frozen, "abcdefgh", sizeof s.frozen);
  return s;
}

static void
check_reads (void)
{
  struct scripted_source s = world (2 * SCRIPTED_GRANULE, true);

  /* Two sinks side by side, reads torn inside the granule. */
  s.sink_count = 2;
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_WRITE);
  add_write (&s.sinks[1], 1, SCRIPTED_GUEST_WRITE);
  check ("two sinks", &s, &ops, run_read);
  check ("unwanted granules", &s, &wanted_ops, run_read_wanted);

  /* One sink, three granules and a short one; one is present before. */
  s = world (3 * SCRIPTED_GRANULE + 1, false);
  s.sink_count = 1;
  s.present_at_start[1] = true;
  add_write (&s.sinks[0], 3, SCRIPTED_GUEST_WRITE);
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_DISCARD);
  check ("one sink, four granules", &s, &ops, run_read);
  check ("unaligned", &s, &ops, run_read_unaligned);

  /* The store breaks beside a write that goes well. */
  s = world (2 * SCRIPTED_GRANULE, true);
  s.sink_count = 2;
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_WRITE);
  add (&s.sinks[1], SCRIPTED_BREAK, 1);
  add (&s.sinks[1], SCRIPTED_GUEST_WRITE, 1);
  check ("store breaks", &s, &ops, run_read);

  /* And is emptied, as nobody can read from it any more (B6). */
  s = world (2 * SCRIPTED_GRANULE, true);
  s.sink_count = 2;
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_WRITE);
  add (&s.sinks[1], SCRIPTED_BREAK, 1);
  add (&s.sinks[1], SCRIPTED_PUNCH, 0);
  add (&s.sinks[1], SCRIPTED_GUEST_WRITE, 1);
  check ("store is emptied", &s, &ops, run_read);
}

static void
check_extents (void)
{
  struct scripted_source s = world (4 * SCRIPTED_GRANULE, false);

  /* Granule 2 is a hole at the freeze that the guest fills; the others hold
   * data that the guest discards. */
  memset (s.frozen + 2 * SCRIPTED_GRANULE, 0, SCRIPTED_GRANULE);
  s.frozen_hole[2] = true;
  s.present_at_start[3] = true;
  s.sink_count = 2;
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_DISCARD);
  add_write (&s.sinks[1], 2, SCRIPTED_GUEST_WRITE);
  check ("extents", &s, &ops, run_extents);

  s.sink_count = 1;
  add_write (&s.sinks[0], 1, SCRIPTED_GUEST_DISCARD);
  check ("extents, one sink", &s, &ops, run_extents);

  s.sink_count = 2;
  s.sinks[1].count = 0;
  add (&s.sinks[1], SCRIPTED_BREAK, 3);
  add (&s.sinks[1], SCRIPTED_PUNCH, 3);
  check ("extents, store is emptied", &s, &ops, run_extents);
}

/* One that was not kept before the guest wrote, and is not any more; one that is in the
 * store, and is taken out; and one that the sink keeps at the same moment. */
static void
check_given_back (void)
{
  struct scripted_source s = world (3 * SCRIPTED_GRANULE, true);

  s.sink_count = 2;
  s.present_at_start[1] = true;
  add (&s.sinks[0], SCRIPTED_CONSUME, 0);
  add (&s.sinks[0], SCRIPTED_GUEST_WRITE, 0);
  add (&s.sinks[1], SCRIPTED_CONSUME, 1);
  add (&s.sinks[1], SCRIPTED_PUNCH, 1);
  check_consume ("given back", &s, run_read);

  s = world (2 * SCRIPTED_GRANULE, false);
  s.sink_count = 2;
  add_write (&s.sinks[0], 0, SCRIPTED_GUEST_WRITE);
  add (&s.sinks[1], SCRIPTED_CONSUME, 0);
  add (&s.sinks[1], SCRIPTED_PUNCH, 0);
  check_consume ("given back and kept at once", &s, run_read);

  s = world (3 * SCRIPTED_GRANULE, false);
  s.sink_count = 2;
  s.present_at_start[1] = true;
  add (&s.sinks[0], SCRIPTED_CONSUME, 0);
  add (&s.sinks[0], SCRIPTED_GUEST_DISCARD, 0);
  add (&s.sinks[1], SCRIPTED_CONSUME, 1);
  add (&s.sinks[1], SCRIPTED_PUNCH, 1);
  check_consume ("extents, given back", &s, run_extents);
}

int
main (void)
{
  check_given_back ();
  check_reads ();
  check_extents ();
  return failures != 0;
}
