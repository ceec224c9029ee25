/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each piece of a read waits for itself: a large read neither keeps others waiting
 * long, nor waits for all of itself at once.  All that limits a piece is taken at
 * once, when all of it is due, as what is taken early would be used in a burst.
 *
 * Those who wait for one disk are in order: only the FRONT of them try, the others
 * look on.  Each has its number and counts who has left, so that one that leaves
 * without tokens holds nobody up. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>

#include "checked-math.h"
#include "source.h"
#include "view-pace.h"

/* So long is the time that one piece is worth, within these bounds. */
#define PIECE_OF_SECOND 64
#define PIECE_LEAST (UINT64_C (64) << 10)
#define PIECE_MOST (UINT64_C (256) << 10)
/* Without a limit: a guest may wake meanwhile. */
#define PIECE_UNLIMITED (UINT64_C (8) << 20)

/* So many try for what is due; several, as one may be about to leave. */
#define FRONT 3

/* A limit that has gone, or a client, is seen within this. */
#define LOOK_AGAIN_NS INT64_C (100000000)
#define SLEEP_LEAST_NS INT64_C (500000)

/* The view starts at the last place among the processes; see take_place. */
#define PLACE_FIRST 0
#define PLACE_LAST 19

/* What a base was told of reading ahead; 0: nothing, and one that was inherited may
 * have been told by the view before. */
#define AHEAD 1
#define NOT_AHEAD 2

static struct pace *limits[PLUGIN_LIMITS];

/* Held while a base is told, so that what is noted is what it was told last. */
static pthread_mutex_t ahead_lock = PTHREAD_MUTEX_INITIALIZER;

static struct pace *
open_file (const char *path)
{
  struct pace *pace = NULL;
  int r = path == NULL ? 0 : pace_open (path, &pace);

  if (r < 0)
    nbdkit_error ("%s is not kept to: %s", path, strerror (-r));
  return pace;
}

void
view_pace_open_device (const struct disk_config *disk, struct source *base,
                       struct view_pace *device)
{
  *device = (struct view_pace) { .pace = open_file (disk->pace), .base = base };
}

void
view_pace_open_limits (const struct plugin_config *config)
{
  size_t i;

  for (i = 0; i < PLUGIN_LIMITS; i++)
    limits[i] = open_file (config->limits[i]);
}

void
view_pace_close_limits (void)
{
  size_t i;

  for (i = 0; i < PLUGIN_LIMITS; i++) {
    pace_close (limits[i]);
    limits[i] = NULL;
  }
}

uint32_t
view_pace_piece (const struct view_pace *device, uint32_t count)
{
  int64_t now = pace_now ();
  uint64_t rate = PACE_UNLIMITED, piece;
  size_t i;

  if (device->pace != NULL)
    rate = pace_limit (device->pace, now);
  for (i = 0; i < PLUGIN_LIMITS; i++)
    if (limits[i] != NULL)
      rate = min_u64 (rate, pace_limit (limits[i], now));
  piece = rate == PACE_UNLIMITED ? PIECE_UNLIMITED
          : max_u64 (PIECE_LEAST,
                     min_u64 (rate / PIECE_OF_SECOND, PIECE_MOST));
  return (uint32_t) min_u64 (piece, count);
}

/* What one piece takes from one pace file. */
struct part {
  struct pace *pace;
  uint64_t bytes, rate;
  bool taken;
};

#define PARTS (PLUGIN_LIMITS + 1)

static int64_t
later (int64_t a, int64_t b)
{
  return a > b ? a : b;
}

/* When all that limits PARTS may be taken; 0: nothing does.  *COST is how long
 * the piece is paid for. */
static int64_t
all_due (struct part *parts, int64_t now, int64_t *cost)
{
  int64_t due = 0;
  size_t i;

  *cost = 0;
  for (i = 0; i < PARTS; i++) {
    struct part *part = &parts[i];
    double time;

    part->rate = part->pace == NULL || part->taken || part->bytes == 0
                 ? PACE_UNLIMITED : pace_limit (part->pace, now);
    if (part->rate == PACE_UNLIMITED)
      continue;
    time = (double) part->bytes * 1e9 / (double) part->rate;
    *cost = later (*cost, (int64_t) time);
    due = later (later (due, 1), pace_due (part->pace, now));
  }
  return due;
}

/* False: somebody was faster. */
static bool
take_all (struct part *parts, int64_t now)
{
  bool all = true;
  size_t i;

  for (i = 0; i < PARTS; i++)
    if (parts[i].rate != PACE_UNLIMITED && !parts[i].taken) {
      parts[i].taken = pace_take (parts[i].pace, parts[i].bytes, parts[i].rate,
                                  now);
      all = all && parts[i].taken;
    }
  return all;
}

/* Those who are due at the same time, here and in other views, do not try at the
 * same time, and each is the first as often. */
static int
sleep_for (int64_t left, int64_t cost, int64_t before, int64_t now)
{
  int64_t spread = (int64_t) ((uint64_t) now * UINT64_C (0x9e3779b97f4a7c15) >>
                              40) % (cost / 2 + 1);

  if (left < 0)
    left = 0;
  /* Half of what it takes to become one of the first. */
  if (before >= FRONT)
    left += (before - FRONT + 1) * (cost / 2);
  left = later (SLEEP_LEAST_NS, left + spread);
  return nbdkit_nanosleep (0, (unsigned) (left < LOOK_AGAIN_NS ? left
                                          : LOOK_AGAIN_NS)) < 0
         ? -ESHUTDOWN : 0;
}

static int
wait_in_line (struct view_pace *device, struct part *parts)
{
  uint64_t number = pace_word_add (&device->came, 1);
  int r = 0;

  for (;;) {
    int64_t now = pace_now (), cost, due = all_due (parts, now, &cost);
    int64_t before = (int64_t) (number - pace_word_load (&device->left));

    if (due == 0 || (due <= now && before < FRONT && take_all (parts, now)))
      break;
    r = sleep_for (due - now, cost, before, now);
    if (r < 0)
      break;
  }
  pace_word_add (&device->left, 1);
  return r;
}

/* This thread's: the last one costs a sixth of the rate, also beside a guest that
 * does nothing.  Who may not come back from there is left where it is. */
static void
take_place (int wanted)
{
  static _Thread_local int place = PLACE_LAST;

  if (wanted == place)
    return;
  place = wanted;
  (void) setpriority (PRIO_PROCESS, 0, place);
}

/* What is read ahead nobody has paid for, and it comes in one go of up to some MiB,
 * for which a guest that reads from the same disk waits. */
static void
tell_ahead (struct view_pace *device, uint64_t wanted)
{
  if (pace_word_load (&device->ahead) == wanted)
    return;
  pthread_mutex_lock (&ahead_lock);
  if (pace_word_load (&device->ahead) != wanted) {
    source_read_ahead (device->base, wanted == AHEAD);
    pace_word_store (&device->ahead, wanted);
  }
  pthread_mutex_unlock (&ahead_lock);
}

static void
step_back_or_forth (struct view_pace *device)
{
  bool limited;

  if (device->pace == NULL)
    return;
  limited = pace_limit (device->pace, pace_now ()) != PACE_UNLIMITED;
  take_place (limited ? PLACE_LAST : PLACE_FIRST);
  tell_ahead (device, limited ? NOT_AHEAD : AHEAD);
}

int
view_pace_wait (struct view_pace *device, uint32_t count, uint64_t cost)
{
  struct part parts[PARTS];
  size_t i;
  int r;

  for (i = 0; i < PLUGIN_LIMITS; i++)
    parts[i] = (struct part) { .pace = limits[i], .bytes = count };
  parts[i] = (struct part) { .pace = device->pace, .bytes = cost };
  step_back_or_forth (device);
  r = wait_in_line (device, parts);
  for (i = 0; i < PARTS && r == 0; i++)
    if (parts[i].pace != NULL)
      pace_count (parts[i].pace, parts[i].bytes);
  return r;
}
