/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdlib.h>

#include "source.h"

int
source_open (const struct source_config *config, const char *disk,
             uint64_t disk_size, struct source **source, struct failure *why)
{
  switch (config->kind) {
#define SOURCE(name, key, value, help, wants, open) \
  case SOURCE_##name: return open (config, disk, disk_size, source, why);
#include "source-kinds.tbl.h"
#undef SOURCE
  case SOURCE_NONE:
    break;
  }
  abort ();
}
