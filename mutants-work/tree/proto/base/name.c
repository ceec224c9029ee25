/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "name.h"

#define ALNUM_ "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

static bool
name_matches (const char *name, const char *first, const char *rest, size_t max)
{
  size_t length = strlen (name);

  return length > 0 && length <= max && strchr (first, name[0]) != NULL &&
         strspn (name, rest) == length;
}

bool
name_is_disk (const char *name)
{
  return name_matches (name, ALNUM_, ALNUM_ ".:+-", 128);
}

bool
name_is_label (const char *name)
{
  return name_is_disk (name);
}

bool
name_is_checkpoint (const char *name)
{
  return name_matches (name, ALNUM_ "-", ALNUM_ ".-", 200);
}

bool
name_is_domain (const char *name)
{
  return name_matches (name, ALNUM_ "-", ALNUM_ ".-", 64);
}

int
name_join (const char *disk, const char *label, char *name, size_t size)
{
  int n = snprintf (name, size, "%s@%s", disk, label);

  return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

const char *
name_label (const char *name)
{
  const char *at = strchr (name, '@');

  return at == NULL ? NULL : at + 1;
}
