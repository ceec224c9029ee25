/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <sys/stat.h>

#include "file-identity.h"
#include "restore-below.h"
#include "restore.h"

/* The sentence for a person is of the image ABOVE. */
static int
check (int fd, const char *above, struct failure *why)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree char *path = g_file_read_link (link, NULL);
  struct failure half = { .error = 0 };
  char identity[FILE_IDENTITY_SIZE];
  struct stat st;

  if (fstat (fd, &st) < 0 || path == NULL)
    return failure_set (why, FAILURE_STORAGE, EIO, "a backing file of %s cannot "
                        "be looked at", above);
  file_identity_text (&st, identity);
  return restore_check_whole (identity, path, &half) == 0 ? 0
         : failure_set (why, FAILURE_CHAIN, ESTALE, "what has changed on %s is "
                        "not known: its backing file %s; --differing-from "
                        "finds what differs", above, half.text);
}

int
restore_below_check (const struct restore *restore, struct failure *why)
{
  const struct restore_image *image;
  int r = 0;

  FOR_EACH_RESTORE_IMAGE (restore, image)
    for (size_t i = 0; r == 0 && i < restore_target_n_backing (image->target); i++)
      r = check (restore_target_backing_fd (image->target, i),
                 restore_target_path (image->target), why);
  return r;
}
