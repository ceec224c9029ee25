/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads are asked for in windows, so that base and fleece store are at work at
 * the same time; the second look (V2) comes after all of a window has
 * completed, which costs one pass over bits that are in the cache.  Holes of
 * the base are looked at again for the same reason (V4): a guest's discard
 * makes one where there was data at the freeze. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "point-in-time.h"

/* Bounds the work of one call for extents; the client asks again. */
#define EXTENT_STEPS 1024
#define EXTENTS_AT_ONCE 32

struct base_run {
  char *buffer;
  uint64_t offset, length;
};

/* The reads that are under way together. */
struct window {
  struct base_run base[POINT_IN_TIME_READS];
  size_t base_count, fleece_count;
};

/* V1 and the first half of V2 for one run of granules: returns its length. */
static int
ask_for_run (const struct point_in_time *view, struct window *window,
             char *buffer, uint64_t offset, uint64_t limit, uint64_t *length)
{
  bool present;

  *length = view->ops->look (view->context, offset, limit, &present);
  if (present) {
    window->fleece_count++;
    return view->ops->read_fleece (view->context, buffer, *length, offset);
  }
  window->base[window->base_count++] =
    (struct base_run) { buffer, offset, *length };
  return view->ops->read_base (view->context, buffer, *length, offset);
}

/* Asks for reads until the window is full; *DONE tells how far it got. */
static int
fill_window (const struct point_in_time *view, struct window *window,
             char *buffer, uint64_t offset, uint64_t length, uint64_t *done)
{
  uint64_t at = 0, n;
  bool wanted;
  int r;

  window->base_count = window->fleece_count = 0;
  for (; at < length && window->base_count < POINT_IN_TIME_READS &&
         window->fleece_count < POINT_IN_TIME_READS; at += n) {
    n = length - at;
    if (view->ops->wanted != NULL) {
      n = view->ops->wanted (view->context, offset + at, n, &wanted);
      if (!wanted) {
        memset (buffer + at, 0, n);
        continue;
      }
    }
    r = ask_for_run (view, window, buffer + at, offset + at, n, &n);
    if (r < 0)
      return r;
  }
  *done = at;
  return 0;
}

/* The second half of V2 for what was read from the base. */
static int
look_again (const struct point_in_time *view, const struct base_run *run)
{
  uint64_t at, n;
  size_t asked = 0;
  bool present;
  int r;

  for (at = 0; at < run->length; at += n) {
    n = view->ops->look (view->context, run->offset + at, run->length - at,
                         &present);
    if (!present)
      continue;
    r = view->ops->read_fleece (view->context, run->buffer + at, n,
                                run->offset + at);
    if (r < 0)
      return r;
    if (++asked % POINT_IN_TIME_READS == 0) {
      r = view->ops->finish (view->context);
      if (r < 0)
        return r;
    }
  }
  return asked % POINT_IN_TIME_READS != 0 ? view->ops->finish (view->context)
                                          : 0;
}

static int
read_window (const struct point_in_time *view, char *buffer, uint64_t offset,
             uint64_t length, uint64_t *done)
{
  struct window window;
  size_t i;
  int r;

  r = fill_window (view, &window, buffer, offset, length, done);
  if (r < 0)
    return r;
  if (window.base_count + window.fleece_count > 0) {
    r = view->ops->finish (view->context);
    if (r < 0)
      return r;
  }
  for (i = 0; i < window.base_count && !view->skip_second_look; i++) {
    r = look_again (view, &window.base[i]);
    if (r < 0)
      return r;
  }
  return 0;
}

/* How much of the range, from its start on, is alike in whether it was given back.  To
 * be asked when it has been read: what was found before may be a hole where old data
 * was taken out, or new data that the sink need not hold up any more. */
static uint64_t
look_for_consumed (const struct point_in_time *view, uint64_t offset,
                   uint64_t length, bool *consumed)
{
  *consumed = false;
  return view->ops->consumed == NULL ? length
         : view->ops->consumed (view->context, offset, length, consumed);
}

/* G1 */
static bool
is_consumed (const struct point_in_time *view, uint64_t offset,
             uint64_t length)
{
  bool consumed = false;
  uint64_t n;

  for (; length > 0 && !consumed; offset += n, length -= n)
    n = look_for_consumed (view, offset, length, &consumed);
  return consumed;
}

int
point_in_time_read (const struct point_in_time *view, void *buffer,
                    uint64_t length, uint64_t offset)
{
  uint64_t at = 0, done = 0;
  bool consumed;
  int r;

  for (; at < length; at += done) {
    r = read_window (view, (char *) buffer + at, offset + at, length - at,
                     &done);
    if (r < 0)
      return r;
  }
  consumed = is_consumed (view, offset, length);
  /* V3 */
  if (view->ops->broken (view->context) != 0)
    return -EIO;
  return consumed ? -EPERM : 0;
}

struct extent_walk {
  const struct point_in_time *view;
  uint64_t offset, length;      /* still to report */
  int (*emit) (void *to, uint64_t offset, uint64_t length, bool hole);
  void *to;
};

static int
report (struct extent_walk *walk, uint64_t length, bool hole)
{
  int r = walk->emit (walk->to, walk->offset, length, hole);

  walk->offset += length;
  walk->length -= length;
  return r;
}

/* G1: where old data was taken out there is a hole, too. */
static int
report_hole (struct extent_walk *walk, uint64_t length)
{
  bool consumed;
  uint64_t n;
  int r = 0;

  for (; r == 0 && length > 0; length -= n) {
    n = look_for_consumed (walk->view, walk->offset, length, &consumed);
    r = report (walk, n, !consumed);
  }
  return r;
}

/* V4: of a hole of the base, reports the part up to the first granule that has
 * become present.  *WHOLE tells whether that is all of it. */
static int
report_base_hole (struct extent_walk *walk, uint64_t length, bool *whole)
{
  bool present = false;
  uint64_t n = length;

  if (!walk->view->skip_second_look)
    n = walk->view->ops->look (walk->view->context, walk->offset, length,
                               &present);
  *whole = !present && n == length;
  return present ? 0 : report_hole (walk, n);
}

static int
report_run (struct extent_walk *walk, uint64_t run, bool present)
{
  const struct point_in_time_ops *ops = walk->view->ops;
  struct source_extent extents[EXTENTS_AT_ONCE];
  size_t count = EXTENTS_AT_ONCE, i;
  bool whole = true;
  int r;

  r = (present ? ops->fleece_extents : ops->base_extents)
      (walk->view->context, walk->offset, run, extents, &count);
  for (i = 0; r == 0 && i < count && whole; i++) {
    if (extents[i].hole && !present)
      r = report_base_hole (walk, extents[i].length, &whole);
    else if (extents[i].hole)
      r = report_hole (walk, extents[i].length);
    else
      r = report (walk, extents[i].length, false);
  }
  return r;
}

int
point_in_time_extents (const struct point_in_time *view, uint64_t offset,
                       uint64_t length,
                       int (*emit) (void *to, uint64_t offset, uint64_t length, bool hole),
                       void *to)
{
  struct extent_walk walk = { view, offset, length, emit, to };
  unsigned steps;
  int r = 0;

  for (steps = 0; r == 0 && walk.length > 0 &&
                  (steps < EXTENT_STEPS || walk.offset == offset); steps++) {
    bool present;
    uint64_t run = view->ops->look (view->context, walk.offset, walk.length,
                                    &present);

    r = report_run (&walk, run, present);
  }
  if (r < 0)
    return r;
  /* V3 */
  return view->ops->broken (view->context) != 0 ? -EIO : 0;
}
