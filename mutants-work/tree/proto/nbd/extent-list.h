/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run of extents of one meta context, as block status carries them.
 * Neighbours with the same flags are one extent.  Not thread-safe. */
#ifndef PULLBACK_EXTENT_LIST_H
#define PULLBACK_EXTENT_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "nbd-wire.h"

struct extent {
  uint64_t length;              /* bytes, never 0 */
  uint32_t flags;
};

struct extent_list {
  struct extent *items;
  size_t count, capacity;
  size_t limit;                 /* most extents, at least 1 */
  uint64_t total;               /* bytes covered so far */
};

void extent_list_init (struct extent_list *list, size_t limit);
void extent_list_free (struct extent_list *list);

/* Appends LENGTH bytes with FLAGS.  -EINVAL for no bytes, -ENOSPC if a new
 * extent is needed and the list is at its limit, -ENOMEM. */
int extent_list_add (struct extent_list *list, uint64_t length, uint32_t flags) WARN_UNUSED;

/* How the flags of an upstream base:allocation are shown. */
enum extent_view {
  EXTENT_VIEW_ALLOCATION,       /* as they are: hole and zero bits */
  EXTENT_VIEW_DIRTY             /* data is dirty, anything else clean */
};

/* Appends SIZE bytes of block status descriptors, cut to what is missing to
 * TOTAL bytes.  0 if there is room for more, 1 if the list is complete or
 * full, -EBADMSG if the descriptors are malformed, -ENOMEM. */
int extent_list_decode (struct extent_list *list, const uint8_t *data, size_t size, enum extent_view view, uint64_t total) WARN_UNUSED;

/* Appends the descriptors to BUFFER; every extent must be below 4 GiB. */
void extent_list_put (const struct extent_list *list, struct nbd_buffer *buffer);

#endif
