/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each piece of a read waits for itself, in the order in which the pieces of all
 * connections and views came: a large read neither keeps others waiting long, nor
 * waits for all of itself at once.  Limits of a person first, the device last, as
 * only that one moves. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "checked-math.h"
#include "view-pace.h"

/* So long is the time that one piece is worth, within these bounds. */
#define PIECE_OF_SECOND 64
#define PIECE_LEAST (UINT64_C (64) << 10)
#define PIECE_MOST (UINT64_C (256) << 10)
/* Without a limit: a guest may wake meanwhile. */
#define PIECE_UNLIMITED (UINT64_C (8) << 20)

/* A limit that has gone is seen within this. */
#define LOOK_AGAIN_NS INT64_C (20000000)

static struct pace *limits[PLUGIN_LIMITS];

static struct pace *
open_file (const char *path)
{
  struct pace *pace = NULL;
  int r = path == NULL ? 0 : pace_open (path, &pace);

  if (r < 0)
    nbdkit_error ("%s is not kept to: %s", path, strerror (-r));
  return pace;
}

struct pace *
view_pace_open_device (const struct disk_config *disk)
{
  return open_file (disk->pace);
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
view_pace_piece (const struct pace *device, uint32_t count)
{
  int64_t now = pace_now ();
  uint64_t rate = PACE_UNLIMITED, piece;
  size_t i;

  if (device != NULL)
    rate = pace_limit (device, now);
  for (i = 0; i < PLUGIN_LIMITS; i++)
    if (limits[i] != NULL)
      rate = min_u64 (rate, pace_limit (limits[i], now));
  piece = rate == PACE_UNLIMITED ? PIECE_UNLIMITED
          : max_u64 (PIECE_LEAST,
                     min_u64 (rate / PIECE_OF_SECOND, PIECE_MOST));
  return (uint32_t) min_u64 (piece, count);
}

static int
sleep_until (const struct pace *pace, int64_t from, int64_t now)
{
  while (now < from && pace_limit (pace, now) != PACE_UNLIMITED) {
    int64_t left = from - now < LOOK_AGAIN_NS ? from - now : LOOK_AGAIN_NS;

    if (nbdkit_nanosleep (0, (unsigned) left) < 0)
      return -ESHUTDOWN;
    now = pace_now ();
  }
  return 0;
}

static int
take (struct pace *pace, uint64_t bytes)
{
  int64_t now = pace_now ();
  uint64_t rate = pace_limit (pace, now);

  pace_count (pace, bytes);
  if (rate == PACE_UNLIMITED || bytes == 0)
    return 0;
  return sleep_until (pace, pace_reserve (pace, bytes, rate, now), now);
}

int
view_pace_wait (struct pace *device, uint32_t count, uint64_t cost)
{
  size_t i;
  int r = 0;

  for (i = 0; i < PLUGIN_LIMITS && r == 0; i++)
    if (limits[i] != NULL)
      r = take (limits[i], count);
  return r == 0 && device != NULL ? take (device, cost) : r;
}
