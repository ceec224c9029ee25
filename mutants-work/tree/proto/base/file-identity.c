/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "file-identity.h"

void
file_identity_text (const struct stat *st, char text[FILE_IDENTITY_SIZE])
{
  if (S_ISBLK (st->st_mode))
    snprintf (text, FILE_IDENTITY_SIZE, "block:%llx",
              (unsigned long long) st->st_rdev);
  else
    snprintf (text, FILE_IDENTITY_SIZE, "file:%llx:%llu",
              (unsigned long long) st->st_dev,
              (unsigned long long) st->st_ino);
}

bool
file_identity_same (const struct stat *one, const struct stat *other)
{
  char a[FILE_IDENTITY_SIZE], b[FILE_IDENTITY_SIZE];

  file_identity_text (one, a);
  file_identity_text (other, b);
  return strcmp (a, b) == 0;
}
