/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "view-base.h"

static bool
is_any_set (const struct granule_map *map, uint64_t offset, uint64_t length)
{
  bool set = false;

  return map != NULL &&
         (granule_map_run (map, offset, length, &set) < length || set);
}

/* Before a guest write reaches the image its granules are present; or, where they
 * were given back before, consumed (G2).  A store that is broken (B1) is looked at
 * later, by V3. */
static bool
is_written (void *context, uint64_t offset, uint64_t length)
{
  const struct fleece_store *store = context;

  return is_any_set (fleece_store_present (store), offset, length) ||
         is_any_set (fleece_store_consumed (store), offset, length);
}

int
view_base_open (struct fleece_store *store, const struct disk_config *config,
                struct source **base, struct failure *why)
{
  struct source_config with = config->base;

  with.written = is_written;
  with.written_context = store;
  return source_open (&with, config->name,
                      granule_map_disk_size (fleece_store_present (store)),
                      base, why);
}
