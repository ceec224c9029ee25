/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a file is: its folder, opened without following symbolic links, and its name there.
 * What a path is exchanged for later leads nowhere.
 *
 * Threads: any. */
#ifndef PULLBACK_RESTORE_PLACE_H
#define PULLBACK_RESTORE_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "failure.h"

struct restore_place {
  char *path;                   /* without symbolic links; owns NAME */
  char *folder;
  const char *name;
  int fd;                       /* of the folder; -1: not open */
};

/* Resolves PATH, all of it, and opens the folder.  A NEW file need not exist, and the
 * last part of its PATH is taken as it is.  It must be below one of FOLDERS (NULL ends them; NULL:
 * any).  To be closed. */
int restore_place_open (const char *path, bool is_new, const char *const *folders,
                        struct restore_place *place, struct failure *why) WARN_UNUSED;

/* One that was opened before, by its PATH, not open yet. */
void restore_place_remember (const char *path, struct restore_place *place);
/* Opens the folder of that; 0 or -errno. */
int restore_place_reopen (struct restore_place *place) WARN_UNUSED;

/* It must be the one of inode *FOLDER, where that is not 0, and is afterwards.  That what is looked
 * for is not in another one, as one that nothing is mounted on yet, says nothing: -ENODEV. */
int restore_place_reopen_same (struct restore_place *place, ino_t *folder) WARN_UNUSED;

/* Opens the file by openat (2) with FLAGS, never by a symbolic link.  Is FD what the path
 * leads to? else -ESTALE. */
int restore_place_open_file (const struct restore_place *place, int flags) WARN_UNUSED;

void restore_place_close (struct restore_place *place);

#endif
