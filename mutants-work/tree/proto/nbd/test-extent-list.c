/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "extent-list.h"

/* Descriptors as the upstream server sends them. */
static size_t
put (struct nbd_buffer *buffer, uint32_t length, uint32_t flags)
{
  nbd_put32 (buffer, length);
  nbd_put32 (buffer, flags);
  return buffer->length;
}

static void
test_neighbours_coalesce (void)
{
  struct extent_list list;

  extent_list_init (&list, 2);
  assert (extent_list_add (&list, 0, 0) == -EINVAL);
  assert (extent_list_add (&list, 10, 1) == 0);
  assert (extent_list_add (&list, 5, 1) == 0);
  assert (extent_list_add (&list, 7, 0) == 0);
  assert (extent_list_add (&list, 7, 1) == -ENOSPC);
  assert (extent_list_add (&list, 7, 0) == 0);
  assert (list.count == 2 && list.total == 29);
  assert (list.items[0].length == 15 && list.items[1].length == 14);
  assert (extent_list_add (&list, UINT64_MAX, 0) == -EINVAL);
  extent_list_free (&list);
}

static void
test_dirty_view (void)
{
  struct nbd_buffer in = { 0 };
  struct extent_list list;

  put (&in, 100, NBD_STATE_HOLE | NBD_STATE_ZERO);
  put (&in, 50, NBD_STATE_ZERO);        /* clean, like the one before */
  put (&in, 60, 0);
  put (&in, 1000, NBD_STATE_HOLE);
  extent_list_init (&list, 100);
  assert (extent_list_decode (&list, in.data, in.length, EXTENT_VIEW_DIRTY,
                              300) == 1);
  assert (list.count == 3 && list.total == 300);
  assert (list.items[0].length == 150 && list.items[0].flags == 0);
  assert (list.items[1].length == 60 &&
          list.items[1].flags == NBD_STATE_DIRTY);
  assert (list.items[2].length == 90 && list.items[2].flags == 0);
  extent_list_free (&list);
  nbd_buffer_free (&in);
}

static void
test_bounds (void)
{
  struct nbd_buffer in = { 0 };
  struct extent_list list;

  put (&in, 10, 0);
  put (&in, 10, 3);
  extent_list_init (&list, 1);
  assert (extent_list_decode (&list, in.data, 8, EXTENT_VIEW_ALLOCATION,
                              100) == 0);
  /* Full: the second one needs a second extent. */
  assert (extent_list_decode (&list, in.data + 8, 8, EXTENT_VIEW_ALLOCATION,
                              100) == 1);
  assert (list.count == 1 && list.total == 10);
  assert (extent_list_decode (&list, in.data, 7, EXTENT_VIEW_ALLOCATION,
                              100) == -EBADMSG);
  memset (in.data, 0, 8);
  assert (extent_list_decode (&list, in.data, 8, EXTENT_VIEW_ALLOCATION,
                              100) == -EBADMSG);
  extent_list_free (&list);
  nbd_buffer_free (&in);
}

static void
test_many_and_back (void)
{
  struct nbd_buffer out = { 0 };
  struct extent_list list, again;
  uint32_t i;

  extent_list_init (&list, 1000);
  for (i = 0; i < 1000; i++)
    assert (extent_list_add (&list, i + 1, i & 1) == 0);
  extent_list_put (&list, &out);
  assert (!out.failed && out.length == 1000 * NBD_EXTENT_SIZE);
  extent_list_init (&again, 1000);
  assert (extent_list_decode (&again, out.data, out.length,
                              EXTENT_VIEW_ALLOCATION, list.total) == 1);
  assert (again.count == list.count && again.total == list.total);
  for (i = 0; i < 1000; i++)
    assert (again.items[i].length == i + 1 && again.items[i].flags == (i & 1));
  extent_list_free (&list);
  extent_list_free (&again);
  nbd_buffer_free (&out);
}

int
main (void)
{
  test_neighbours_coalesce ();
  test_dirty_view ();
  test_bounds ();
  test_many_and_back ();
  return 0;
}
