/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of its own, so that tests which play QEMU need nothing else of it. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "qmp-image.h"

static size_t
name_length (const char *text)
{
  const char *end = g_strrstr (text, " inode ");

  if (end == NULL)
    end = g_strrstr (text, " device ");
  return end == NULL ? strlen (text) : (size_t) (end - text);
}

enum qmp_image_likeness
qmp_image_compare (const char *before, const char *now)
{
  size_t name = name_length (before), length = strlen (before);

  if (name != name_length (now) || strncmp (before, now, name) != 0)
    return QMP_IMAGE_OTHER;
  if (g_str_has_suffix (before, QMP_IMAGE_NOT_KNOWN) || g_str_has_suffix (now, QMP_IMAGE_NOT_KNOWN))
    return QMP_IMAGE_UNKNOWN;
  if (strcmp (before, now) == 0)
    return QMP_IMAGE_SAME;
  if (strncmp (before, now, length) != 0 || now[length] != ' ')
    return QMP_IMAGE_OTHER;
  /* Of an earlier version.  A bare name tells nothing if it is not a path. */
  return name < length || (before[0] == '/' &&
                           !g_str_has_prefix (before, QMP_FDSET_PREFIX))
         ? QMP_IMAGE_SAME : QMP_IMAGE_UNKNOWN;
}
