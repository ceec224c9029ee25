/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json-members.h"
#include "qmp-bitmap.h"

int
qmp_bitmaps_read (json_object *node, struct qmp_bitmap **bitmaps, size_t *n)
{
  json_object *list = json_get_array (node, "dirty-bitmaps");
  size_t listed = json_length (list);

  *n = 0;
  *bitmaps = listed == 0 ? NULL : calloc (listed, sizeof **bitmaps);
  if (listed > 0 && *bitmaps == NULL)
    return -ENOMEM;
  for (size_t i = 0; i < listed; i++) {
    json_object *entry = json_object_array_get_idx (list, i);
    const char *name = json_get_string (entry, "name");
    struct qmp_bitmap *bitmap = &(*bitmaps)[*n];

    /* A job's own, which nobody else can name. */
    if (name == NULL)
      continue;
    bitmap->name = strdup (name);
    if (bitmap->name == NULL)
      return -ENOMEM;
    ++*n;
    bitmap->count = json_get_u64 (entry, "count");
    bitmap->granularity = (uint32_t) json_get_u64 (entry, "granularity");
    bitmap->recording = json_get_bool (entry, "recording");
    bitmap->busy = json_get_bool (entry, "busy");
    bitmap->persistent = json_get_bool (entry, "persistent");
    bitmap->inconsistent = json_get_bool (entry, "inconsistent");
  }
  return 0;
}

void
qmp_bitmaps_free (struct qmp_bitmap *bitmaps, size_t n)
{
  for (size_t i = 0; i < n; i++)
    free (bitmaps[i].name);
  free (bitmaps);
}

const struct qmp_bitmap *
qmp_bitmaps_find (const struct qmp_bitmap *bitmaps, size_t n,
                  const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (strcmp (bitmaps[i].name, name) == 0)
      return &bitmaps[i];
  return NULL;
}
