/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Neighbours alike are one extent: servers split where their own structures
 * do, and what clients are shown is limited in extents. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "checked-math.h"
#include "extent-list.h"

void
extent_list_init (struct extent_list *list, size_t limit)
{
  *list = (struct extent_list) { .limit = limit > 0 ? limit : 1 };
}

void
extent_list_free (struct extent_list *list)
{
  free (list->items);
  extent_list_init (list, list->limit);
}

static int
grow (struct extent_list *list)
{
  size_t capacity = list->capacity ? list->capacity * 2 : 16;
  struct extent *items = realloc (list->items, capacity * sizeof *items);

  if (items == NULL)
    return -ENOMEM;
  list->items = items;
  list->capacity = capacity;
  return 0;
}

int
extent_list_add (struct extent_list *list, uint64_t length, uint32_t flags)
{
  int r;

  if (length == 0 || length > UINT64_MAX - list->total)
    return -EINVAL;
  if (list->count > 0 && list->items[list->count - 1].flags == flags) {
    list->items[list->count - 1].length += length;
    list->total += length;
    return 0;
  }
  if (list->count == list->limit)
    return -ENOSPC;
  if (list->count == list->capacity) {
    r = grow (list);
    if (r < 0)
      return r;
  }
  list->items[list->count++] = (struct extent) { length, flags };
  list->total += length;
  return 0;
}

static uint32_t
show_flags (uint32_t flags, enum extent_view view)
{
  if (view == EXTENT_VIEW_ALLOCATION)
    return flags;
  return (flags & (NBD_STATE_HOLE | NBD_STATE_ZERO)) == 0 ? NBD_STATE_DIRTY : 0;
}

int
extent_list_decode (struct extent_list *list, const uint8_t *data, size_t size,
                    enum extent_view view, uint64_t total)
{
  size_t i;
  int r;

  if (size % NBD_EXTENT_SIZE != 0)
    return -EBADMSG;
  for (i = 0; i < size && list->total < total; i += NBD_EXTENT_SIZE) {
    uint64_t length = nbd_load32 (data + i);
    uint32_t flags = nbd_load32 (data + i + 4);

    if (length == 0)
      return -EBADMSG;
    length = min_u64 (length, total - list->total);
    r = extent_list_add (list, length, show_flags (flags, view));
    if (r == -ENOSPC)
      return 1;
    if (r < 0)
      return r;
  }
  return list->total < total ? 0 : 1;
}

void
extent_list_put (const struct extent_list *list, struct nbd_buffer *buffer)
{
  size_t i;

  for (i = 0; i < list->count; i++) {
    nbd_put32 (buffer, (uint32_t) list->items[i].length);
    nbd_put32 (buffer, list->items[i].flags);
  }
}
