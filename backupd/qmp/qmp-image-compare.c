/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of its own, so that tests which play QEMU need nothing else of it. */
#include <config.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <glib.h>

#include "cleanup.h"
#include "qmp-image.h"

#define BORN " born "

/* Inodes of two file systems can be the same.  Device numbers may change when the
 * host is booted, the time of a file's birth does not. */
char *
qmp_image_stamp (const char *path, const struct stat *st)
{
  unsigned long long inode = st->st_ino;
  struct statx more;

  if (!S_ISREG (st->st_mode))
    return g_strdup_printf (" device %u:%u", major (st->st_rdev),
                            minor (st->st_rdev));
  if (statx (AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &more) < 0 ||
      more.stx_ino != st->st_ino)
    return g_strdup (QMP_IMAGE_NOT_KNOWN);
  if ((more.stx_mask & STATX_BTIME) != 0)
    return g_strdup_printf (" inode %llu" BORN "%lld.%09u", inode,
                            (long long) more.stx_btime.tv_sec,
                            (unsigned) more.stx_btime.tv_nsec);
  return g_strdup_printf (" inode %llu device %u:%u", inode,
                          major (st->st_dev), minor (st->st_dev));
}

bool
qmp_image_is_stamped (const char *text, const char *stamp, const char *path)
{
  g_autofree char *name = NULL;
  CLEANUP_FREE char *real = NULL;

  if (!g_str_has_suffix (text, stamp) ||
      strcmp (stamp, QMP_IMAGE_NOT_KNOWN) == 0)
    return false;
  if (strstr (stamp, BORN) != NULL)
    return true;
  name = g_strndup (text, strlen (text) - strlen (stamp));
  real = realpath (name, NULL);
  return real != NULL && strcmp (real, path) == 0;
}

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
