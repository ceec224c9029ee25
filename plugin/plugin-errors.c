/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <inttypes.h>
#include <string.h>

#include "plugin-errors.h"

int
plugin_reply (int result, const char *what, uint64_t offset, uint32_t count)
{
  if (result >= 0)
    return 0;
  nbdkit_error ("%s of %" PRIu32 " bytes at %" PRIu64 " of \"%s\": %s", what,
                count, offset, nbdkit_export_name (), strerror (-result));
  nbdkit_set_error (-result);
  return -1;
}

int
plugin_refuse (const struct failure *why)
{
  nbdkit_error ("%s", why->text);
  nbdkit_set_error (why->error);
  return -1;
}
