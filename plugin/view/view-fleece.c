/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Neighbours on the disk are neighbours in the store only where the guest wrote them one
 * after the other: one read for what lies together, all of them at once. */
#include <config.h>

#include <string.h>

#include "view-fleece.h"

int
view_fleece_read (struct fleece_store *store, struct io_ring_batch *batch,
                  char *buffer, uint64_t length, uint64_t offset)
{
  struct io_request io = { .fd = fleece_store_data_fd (store),
                           .data_end = UINT64_MAX };
  uint64_t n;
  int r = 0;

  for (; r >= 0 && length > 0; buffer += n, offset += n, length -= n) {
    r = fleece_store_find (store, offset, length, &n, &io.offset);
    if (r < 0)
      break;
    io.buffer = buffer;
    io.length = n;
    if (r == SLOT_DATA)
      r = io_ring_batch_put (batch, &io);
    else
      memset (buffer, 0, n);
  }
  return r;
}

int
view_fleece_extents (struct fleece_store *store, uint64_t offset,
                     uint64_t length, struct source_extent *extents,
                     size_t *count)
{
  uint64_t run, place;
  size_t n = 0;

  for (; length > 0; offset += run, length -= run) {
    int r = fleece_store_find (store, offset, length, &run, &place);
    bool hole = r == SLOT_ZEROS;

    if (r < 0)
      return r;
    if (n > 0 && extents[n - 1].hole == hole)
      extents[n - 1].length += run;
    else if (n == *count)
      break;
    else
      extents[n++] = (struct source_extent) { .length = run, .hole = hole };
  }
  *count = n;
  return 0;
}
