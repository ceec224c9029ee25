/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block status is a help, never needed: a server that has none, or whose answer is an
 * error or nothing, has data everywhere from there on, and is read. */
#include <config.h>

#include <errno.h>

#include "checked-math.h"
#include "differ-blocks.h"
#include "differ-walk.h"

/* Asked for at once: more where a server has little to say, less where it has much, as
 * its answers take memory.  Twice that is known ahead. */
#define WINDOW_LEAST (UINT64_C (64) << 20)
#define WINDOW_MOST (UINT64_C (2) << 30)
#define FEW 1024                /* extents */
#define MANY (16 * 1024)
/* Zeroed by one request. */
#define ZERO_MOST (UINT64_C (128) << 20)

static int
take (void *opaque, uint32_t length, bool zero)
{
  struct differ_walk_side *side = opaque;
  uint64_t end = min_u64 (side->told + length, side->size);

  side->told = end;
  side->n_told++;
  /* The work may be further than what was asked for. */
  return end <= side->map.end ? 0
         : differ_map_add (&side->map, end - side->map.end, zero);
}

static void
init_side (struct differ_walk_side *side, struct differ_side *of,
           uint64_t total, uint32_t grain, bool zero_behind)
{
  const struct differ_facts *facts = differ_side_facts (of);

  *side = (struct differ_walk_side) {
    .side = of, .size = min_u64 (facts->size, total),
    .tells_zeros = facts->tells_zeros, .zero_behind = zero_behind,
    .window = WINDOW_LEAST
  };
  differ_map_init (&side->map, total, grain);
  side->request.take = take;
}

void
differ_walk_init (struct differ_walk *walk, struct differ_side *source,
                  struct differ_side *target, uint64_t total, uint32_t grain,
                  bool zero_rest)
{
  *walk = (struct differ_walk) {
    .end = total, .zero_by_request = differ_side_facts (target)->zeroes
  };
  init_side (&walk->source, source, total, grain, zero_rest);
  init_side (&walk->target, target, total, grain, false);
  walk->source.request.opaque = &walk->source;
  walk->target.request.opaque = &walk->target;
}

void
differ_walk_free (struct differ_walk *walk)
{
  differ_map_free (&walk->source.map);
  differ_map_free (&walk->target.map);
}

static bool
wants_more (const struct differ_walk_side *side, uint64_t at)
{
  return side->map.end < side->size && side->map.end - at < side->window &&
         side->map.n - side->map.first < DIFFER_MAP_MOST / 2;
}

static void
choose_window (struct differ_walk_side *side)
{
  if (side->n_told > MANY && side->window > WINDOW_LEAST)
    side->window /= 2;
  else if (side->n_told < FEW && side->window < WINDOW_MOST)
    side->window *= 2;
}

/* What needs no asking.  1: something was. */
static int
add_known (struct differ_walk_side *side)
{
  uint64_t before = side->map.end;
  int r = 0;

  if (!side->tells_zeros && before < side->size)
    r = differ_map_add (&side->map, side->size - before, false);
  if (r == 0 && side->map.end >= side->size)
    r = differ_map_add (&side->map, side->map.size - side->map.end,
                        side->zero_behind);
  return r < 0 ? r : side->map.end > before;
}

static int
ask (struct differ_walk_side *side, uint64_t at, struct failure *why)
{
  uint64_t length;
  int r;

  if (side->request.busy)
    return 0;
  if (side->is_asked && side->told == side->asked)
    side->tells_zeros = false;
  side->is_asked = false;
  r = add_known (side);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "no memory");
  if (r > 0 || !wants_more (side, at))
    return r;
  choose_window (side);
  length = min_u64 (side->window, side->size - side->map.end);
  side->n_told = 0;
  side->asked = side->told = side->map.end;
  side->is_asked = true;
  return differ_side_status (side->side, (uint32_t) length, side->asked,
                             &side->request, why);
}

int
differ_walk_ask (struct differ_walk *walk, struct failure *why)
{
  int source = ask (&walk->source, walk->at, why);
  int target = source < 0 ? 0 : ask (&walk->target, walk->at, why);

  return target < 0 ? target : source != 0 ? source : target;
}

/* To AT, where something is to be looked at. */
static void
pass (struct differ_walk *walk, uint64_t at)
{
  walk->at = at;
  differ_map_pass (&walk->source.map, at);
  differ_map_pass (&walk->target.map, at);
}

bool
differ_walk_next (struct differ_walk *walk, struct differ_span *span)
{
  uint64_t end = walk->end, room, source, target;

  if (walk->only != NULL)
    pass (walk, differ_written_next (walk->only, walk->at, &end));
  if (walk->at >= walk->end)
    return false;
  room = DIFFER_PIECE - walk->at % DIFFER_PIECE;
  source = differ_map_look (&walk->source.map, room, &span->source_zero);
  if (source == 0)
    return false;
  if (span->source_zero && walk->zero_by_request)
    room = min_u64 (source, ZERO_MOST);
  target = differ_map_look (&walk->target.map, room, &span->target_zero);
  if (target == 0)
    return false;
  span->offset = walk->at;
  span->length = min_u64 (min_u64 (source, target), end - walk->at);
  pass (walk, walk->at + span->length);
  return true;
}
