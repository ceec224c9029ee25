/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "cli-folder.h"

int
cli_folder_create (const char *parent, char **path, struct failure *why)
{
  g_autofree char *folder =
    g_build_filename (parent, CLI_FOLDER_PREFIX "XXXXXX", NULL);

  if (g_mkdtemp (folder) == NULL)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot create a folder in %s: %s", parent,
                        g_strerror (errno));
  if (geteuid () == 0 && chmod (folder, 0711) < 0)
    return failure_set (why, FAILURE_STORAGE, errno,
                        "cannot change the mode of %s: %s", folder,
                        g_strerror (errno));
  *path = g_steal_pointer (&folder);
  return 0;
}

static int
remove_one (const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
  (void) remove (path);
  return 0;
}

void
cli_folder_remove (const char *path)
{
  (void) nftw (path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
