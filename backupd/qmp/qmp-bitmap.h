/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dirty bitmaps of a node.  Whoever is given some owns them; threads: any. */
#ifndef PULLBACK_QMP_BITMAP_H
#define PULLBACK_QMP_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "cleanup.h"

struct qmp_bitmap {
  char *name;                   /* those without one are left out */
  uint64_t count;               /* dirty bytes */
  uint32_t granularity;
  bool recording, busy, persistent, inconsistent;
};

/* Those of NODE, of query-named-block-nodes.  0, or -ENOMEM and what there is to be freed. */
int qmp_bitmaps_read (json_object *node, struct qmp_bitmap **bitmaps, size_t *n) WARN_UNUSED;
void qmp_bitmaps_free (struct qmp_bitmap *bitmaps, size_t n);

/* The one called NAME; NULL if there is none.  Borrowed. */
const struct qmp_bitmap *qmp_bitmaps_find (const struct qmp_bitmap *bitmaps, size_t n,
                                           const char *name);

#endif
