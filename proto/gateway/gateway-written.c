/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes mostly go on where the last one was: what is set already is not set again, as
 * that would take the map's cache line from the other connections. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway-written.h"
#include "granule-map.h"

struct written {
  struct granule_map *map;
};

int
gateway_written_open (const char *folder, const char *export,
                      struct written **written, struct failure *why)
{
  struct written *out;
  char path[4096];
  int n = snprintf (path, sizeof path, "%s/%s.written", folder, export);
  int r;

  if (strchr (export, '/') != NULL || n < 0 || (size_t) n >= sizeof path)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "a writable export "
                        "needs a map, and none can be called "
                        "\"%.200s\": choose an upstream name without \"/\"",
                        export);
  out = calloc (1, sizeof *out);
  if (out == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  r = granule_map_open (path, true, &out->map);
  if (r < 0) {
    free (out);
    return failure_set (why, FAILURE_STORAGE, -r, "cannot open the map of what "
                        "is written %.500s, without which \"%.200s\" cannot be "
                        "writable: %s", path, export, strerror (-r));
  }
  *written = out;
  return 0;
}

void
gateway_written_close (struct written *written)
{
  if (written == NULL)
    return;
  granule_map_close (written->map);
  free (written);
}

uint64_t
gateway_written_size (const struct written *written)
{
  return granule_map_disk_size (written->map);
}

int
gateway_written_note (struct written *written, uint64_t offset,
                      uint64_t length)
{
  bool is_set;

  if (granule_map_run (written->map, offset, length, &is_set) == length &&
      is_set)
    return 0;
  return granule_map_set (written->map, offset, length);
}
