/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the view reads of a fleece store: ranges that are present. */
#ifndef PULLBACK_VIEW_FLEECE_H
#define PULLBACK_VIEW_FLEECE_H

#include "fleece-store.h"
#include "source.h"

/* As point_in_time_ops.read_fleece, by BATCH. */
int view_fleece_read (struct fleece_store *store, struct io_ring_batch *batch, char *buffer,
                      uint64_t length, uint64_t offset) WARN_UNUSED;

/* As point_in_time_ops.fleece_extents: zeros are holes. */
int view_fleece_extents (struct fleece_store *store, uint64_t offset, uint64_t length,
                         struct source_extent *extents, size_t *count) WARN_UNUSED;

#endif
