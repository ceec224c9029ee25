/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run is a list of decisions, each below its number of choices.  The next
 * run keeps all but the last that can be raised, and raises that: a walk
 * through the whole tree that needs no memory but one path, so that each order
 * of events comes exactly once. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "checked-math.h"
#include "test-scripted-source.h"

static unsigned
choose (struct scripted_source *s, unsigned options)
{
  if (s->position == s->decisions) {
    assert (s->decisions < SCRIPTED_DECISIONS);
    s->decision[s->decisions] = 0;
    s->options[s->decisions++] = (unsigned char) options;
  }
  assert (s->options[s->position] == options);
  return s->decision[s->position++];
}

bool
scripted_next (struct scripted_source *s)
{
  s->decisions = s->position;
  while (s->decisions > 0) {
    unsigned last = s->decisions - 1;

    if (++s->decision[last] < s->options[last])
      return true;
    s->decisions--;
  }
  return false;
}

static void
act (struct scripted_source *s, struct scripted_step step)
{
  unsigned at = step.granule * SCRIPTED_GRANULE;

  switch (step.act) {
  case SCRIPTED_STORE:
    memcpy (s->fleece + at, s->frozen + at, SCRIPTED_GRANULE);
    s->fleece_hole[step.granule] = s->frozen_hole[step.granule];
    break;
  case SCRIPTED_MARK:
    s->present[step.granule] = true;
    break;
  case SCRIPTED_CONSUME:
    s->consumed[step.granule] = true;
    break;
  case SCRIPTED_PUNCH:
    memset (s->fleece + at, 0, SCRIPTED_GRANULE);
    s->fleece_hole[step.granule] = true;
    break;
  case SCRIPTED_BREAK:
    s->broken = ENOSPC;
    break;
  case SCRIPTED_GUEST_WRITE:
    memset (s->base + at, 'N', SCRIPTED_GRANULE);
    s->base_hole[step.granule] = false;
    break;
  case SCRIPTED_GUEST_DISCARD:
    memset (s->base + at, 0, SCRIPTED_GRANULE);
    s->base_hole[step.granule] = true;
    break;
  }
}

/* Lets the sinks go as many steps as the path says. */
static void
others (struct scripted_source *s)
{
  for (;;) {
    struct scripted_sink *can[2];
    unsigned count = 0, i;

    for (i = 0; i < s->sink_count; i++)
      if (s->sinks[i].next < s->sinks[i].count)
        can[count++] = &s->sinks[i];
    if (count == 0)
      return;
    i = choose (s, count + 1);
    if (i == 0)
      return;
    act (s, can[i - 1]->steps[can[i - 1]->next++]);
  }
}

static uint64_t
look_at (struct scripted_source *s, const bool *map, uint64_t offset,
         uint64_t limit, bool *set)
{
  uint64_t end = offset + min_u64 (limit, s->size - offset), at = offset;

  others (s);
  *set = map[offset / SCRIPTED_GRANULE];
  do
    at = round_down_pow2 (at, SCRIPTED_GRANULE) + SCRIPTED_GRANULE;
  while (at < end && map[at / SCRIPTED_GRANULE] == *set);
  return min_u64 (at, end) - offset;
}

uint64_t
scripted_look (void *context, uint64_t offset, uint64_t limit, bool *present)
{
  struct scripted_source *s = context;

  return look_at (s, s->present, offset, limit, present);
}

uint64_t
scripted_consumed (void *context, uint64_t offset, uint64_t limit,
                   bool *consumed)
{
  struct scripted_source *s = context;

  return look_at (s, s->consumed, offset, limit, consumed);
}

static void
read_now (struct scripted_source *s, const struct scripted_read *r)
{
  const char *from = r->of_fleece ? s->fleece : s->base;
  uint64_t i, n = s->torn ? 1 : SCRIPTED_GRANULE;

  for (i = 0; i < r->length; i += n) {
    others (s);
    memcpy (r->buffer + i, from + r->offset + i, min_u64 (n, r->length - i));
  }
}

/* A read may happen when it is asked for, or later. */
static int
ask (struct scripted_source *s, struct scripted_read r)
{
  if (choose (s, 2) == 0)
    read_now (s, &r);
  else {
    assert (s->read_count < sizeof s->reads / sizeof s->reads[0]);
    s->reads[s->read_count++] = r;
  }
  return 0;
}

static int
scripted_read (struct source *source, struct io_ring_batch *batch, void *buffer,
               uint64_t length, uint64_t offset)
{
  struct scripted_source *s = (struct scripted_source *) source;

  return ask (s, (struct scripted_read) { false, buffer, length, offset });
}

int
scripted_read_base (void *context, void *buffer, uint64_t length,
                    uint64_t offset)
{
  return source_read (context, NULL, buffer, length, offset);
}

int
scripted_read_fleece (void *context, void *buffer, uint64_t length,
                      uint64_t offset)
{
  return ask (context, (struct scripted_read) { true, buffer, length, offset });
}

int
scripted_finish (void *context)
{
  struct scripted_source *s = context;
  unsigned i;

  for (i = 0; i < s->read_count; i++)
    read_now (s, &s->reads[i]);
  s->read_count = 0;
  others (s);
  return 0;
}

int
scripted_broken (void *context)
{
  struct scripted_source *s = context;

  others (s);
  return s->broken;
}

/* Extents one by one, the sinks going on between them: an answer of a real
 * file is no snapshot either. */
static int
tell_extents (struct scripted_source *s, const bool *hole, uint64_t offset,
              uint64_t length, struct source_extent *extents, size_t *count)
{
  size_t n = 0;

  for (; n < *count && length > 0; n++) {
    uint64_t border = round_down_pow2 (offset, SCRIPTED_GRANULE) +
                      SCRIPTED_GRANULE;

    others (s);
    extents[n].length = min_u64 (border - offset, length);
    extents[n].hole = hole[offset / SCRIPTED_GRANULE];
    offset += extents[n].length;
    length -= extents[n].length;
  }
  *count = n;
  return 0;
}

static int
scripted_extents (struct source *source, uint64_t offset, uint64_t length,
                  struct source_extent *extents, size_t *count,
                  uint64_t *data_until)
{
  struct scripted_source *s = (struct scripted_source *) source;

  return tell_extents (s, s->base_hole, offset, length, extents, count);
}

int
scripted_base_extents (void *context, uint64_t offset, uint64_t length,
                       struct source_extent *extents, size_t *count)
{
  return source_extents (context, offset, length, extents, count, NULL);
}

int
scripted_fleece_extents (void *context, uint64_t offset, uint64_t length,
                         struct source_extent *extents, size_t *count)
{
  struct scripted_source *s = context;

  return tell_extents (s, s->fleece_hole, offset, length, extents, count);
}

static void
scripted_close (struct source *source)
{
}

static const struct source_ops scripted_ops = {
  .read = scripted_read,
  .extents = scripted_extents,
  .close = scripted_close,
};

void
scripted_start (struct scripted_source *s)
{
  unsigned i;

  s->source.ops = &scripted_ops;
  memcpy (s->base, s->frozen, sizeof s->base);
  memcpy (s->base_hole, s->frozen_hole, sizeof s->base_hole);
  memcpy (s->present, s->present_at_start, sizeof s->present);
  memset (s->consumed, 0, sizeof s->consumed);
  for (i = 0; i < SCRIPTED_GRANULES; i++)
    s->fleece_hole[i] = true;
  /* What nobody stored must never be seen. */
  memset (s->fleece, 'F', sizeof s->fleece);
  for (i = 0; i < SCRIPTED_GRANULES; i++)
    if (s->present[i]) {
      act (s, (struct scripted_step) { SCRIPTED_STORE, i });
      act (s, (struct scripted_step) { SCRIPTED_GUEST_WRITE, i });
    }
  for (i = 0; i < s->sink_count; i++)
    s->sinks[i].next = 0;
  s->broken = 0;
  s->read_count = 0;
  s->position = 0;
}
