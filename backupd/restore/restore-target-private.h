/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A target as its files know it: how it is opened, restore-target-open.c, and its life,
 * restore-target.c.  What these do is done in a process of its own (restore-errand.h): of
 * each function of restore-target.h that touches storage there is one that does it, in
 * restore-target-errand.c's process, and one that has it done, restore-target-ask.c. */
#ifndef PULLBACK_RESTORE_TARGET_PRIVATE_H
#define PULLBACK_RESTORE_TARGET_PRIVATE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <glib.h>

#include "file-identity.h"
#include "restore-chain.h"
#include "restore-place.h"
#include "restore-target.h"

struct restore_target {
  char *restore;
  char *format;
  ino_t folder;                 /* which one it is in; 0: not known */
  struct restore_place place;   /* of the image; of a new one, where it will be */
  char *temporary_name;         /* in the same folder; NULL: it is not new */
  char *temporary;              /* its path */
  char *mark;                   /* its mark's name in the folder */
  char *marked_by;
  uint64_t size;
  bool block;                   /* there is no mark beside it */
  bool held;                    /* a QEMU has it */
  ino_t inode;
  char identity[FILE_IDENTITY_SIZE];
  int lock_fd, io_fd;
  struct restore_chain chain;   /* of backing files */
};

/* Whose mark is it?  "" where that cannot be read, NULL: there is none.  Free with g_free. */
char *restore_target_read_mark (const struct restore_target *target);

/* Locks what FD, which ST is of, is open on; -EBUSY: somebody else has it, which WHY says. */
int restore_target_lock (const char *path, int fd, const struct stat *st,
                         struct failure *why) WARN_UNUSED;

/* Here, by whoever calls: as those of restore-target.h without "here". */
int restore_target_here_open (const struct restore_target_spec *spec,
                              struct restore_target **target, struct failure *why) WARN_UNUSED;
int restore_target_here_mark (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_unmark (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_sync (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_check_alone (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_check_name (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_publish (struct restore_target *target, struct failure *why) WARN_UNUSED;
int restore_target_here_discard (struct restore_target *target, struct failure *why) WARN_UNUSED;
void restore_target_here_close (struct restore_target *target);

/* A new target, not open, at PLACE, which it takes. */
struct restore_target *restore_target_make (const char *restore, const char *format, bool is_new,
                                            struct restore_place *place);

#endif
