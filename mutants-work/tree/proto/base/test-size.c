/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "size.h"

static uint64_t
parsed (const char *text)
{
  uint64_t size = 0;

  assert (size_parse (text, &size) == 0);
  return size;
}

static void
check_refused (const char *text)
{
  uint64_t size = 7;

  assert (size_parse (text, &size) == -EINVAL);
  assert (size == 7);
}

int
main (void)
{
  static const char *const wrong[] = {
    "", " 1", "+1", "-1", "x", "1x", "1KB", "1k", "1.5M", "M", "1 M", "0x10",
    "9007199254740993", "8193T", "99999999999999999999"
  };
  size_t i;

  assert (parsed ("0") == 0 && parsed ("1048576") == 1 << 20);
  assert (parsed ("3K") == 3072 && parsed ("1M") == 1 << 20);
  assert (parsed ("2G") == UINT64_C (2) << 30);
  assert (parsed ("8192T") == SIZE_TEXT_MAX);
  assert (parsed ("9007199254740992") == SIZE_TEXT_MAX);
  for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    check_refused (wrong[i]);
  return 0;
}
