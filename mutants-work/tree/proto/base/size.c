/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

int
size_parse (const char *text, uint64_t *size)
{
  static const char units[] = "KMGT";
  unsigned long long value;
  const char *unit;
  unsigned shift = 0;
  char *end;

  errno = 0;
  value = strtoull (text, &end, 10);
  /* strtoull takes spaces and signs, too. */
  if (text[0] < '0' || text[0] > '9' || errno != 0)
    return -EINVAL;
  if (*end != '\0') {
    unit = strchr (units, *end);
    if (unit == NULL || end[1] != '\0')
      return -EINVAL;
    shift = 10 * (unsigned) (unit - units + 1);
  }
  if (value > SIZE_TEXT_MAX >> shift)
    return -EINVAL;
  *size = (uint64_t) value << shift;
  return 0;
}
