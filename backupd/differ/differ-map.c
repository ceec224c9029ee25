/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk of many TiB has more extents than there is memory for, and its map takes longer
 * to be told than people want to wait before anything is done: so it is asked for a
 * piece at a time, a little ahead of the work, and forgotten behind it. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "checked-math.h"
#include "differ-map.h"

#define ROOM_LEAST 64

void
differ_map_init (struct differ_map *map, uint64_t size, uint64_t grain)
{
  *map = (struct differ_map) { .size = size, .grain = grain };
}

void
differ_map_free (struct differ_map *map)
{
  free (map->items);
  map->items = NULL;
}

/* Room for one more at the end. */
static int
make_room (struct differ_map *map)
{
  size_t room = map->room * 2;
  void *items;

  if (map->first > map->room / 2) {
    memmove (map->items, map->items + map->first,
             (map->n - map->first) * sizeof *map->items);
    map->n -= map->first;
    map->first = 0;
  }
  if (map->n < map->room)
    return 0;
  if (room < ROOM_LEAST)
    room = ROOM_LEAST;
  items = reallocarray (map->items, room, sizeof *map->items);
  if (items == NULL)
    return -ENOMEM;
  map->items = items;
  map->room = room;
  return 0;
}

int
differ_map_add (struct differ_map *map, uint64_t length, bool zero)
{
  uint64_t end = map->end + min_u64 (length, map->size - map->end);
  int r;

  if (end == map->end)
    return 0;
  if (map->n > map->first && map->items[map->n - 1].zero == zero)
    map->items[map->n - 1].end = end;
  else {
    if (map->n - map->first >= DIFFER_MAP_MOST)
      return -ENOSPC;
    r = make_room (map);
    if (r < 0)
      return r;
    map->items[map->n++] = (struct differ_extent) { .end = end, .zero = zero };
  }
  map->end = end;
  return 0;
}

void
differ_map_pass (struct differ_map *map, uint64_t at)
{
  while (map->first < map->n && map->items[map->first].end <= at)
    map->first++;
  map->start = at;
  if (map->first == map->n) {
    map->first = map->n = 0;
    map->end = max_u64 (map->end, at);
  }
}

uint64_t
differ_map_look (const struct differ_map *map, uint64_t most, bool *zero)
{
  uint64_t at = map->start, end = at, known = map->end, from = at;

  if (known < map->size)
    known = round_down_pow2 (known, map->grain);
  if (known <= at)
    return 0;
  for (size_t i = map->first; i < map->n && end < known; i++) {
    uint64_t zero_from = round_up_pow2 (from, map->grain);
    uint64_t zero_to = round_down_pow2 (map->items[i].end, map->grain);

    if (map->items[i].zero && zero_from < zero_to) {
      if (zero_from == at) {
        *zero = true;
        return zero_to - at;
      }
      end = zero_from;
      break;
    }
    end = from = map->items[i].end;
    if (end - at >= most)
      break;
  }
  *zero = false;
  return min_u64 (min_u64 (end, known) - at, most);
}
