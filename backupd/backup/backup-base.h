/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the view reads a disk's base, which is the image with the guest's latest data (rule
 * V5): one entry of a table per way.  To add one, see docs/hacking.md. */
#ifndef PULLBACK_BACKUP_BASE_H
#define PULLBACK_BACKUP_BASE_H

#include "backup-model.h"

struct backup_base {
  const char *name;             /* "direct", for people */
  bool needs_server;            /* QEMU's NBD server, as long as there is a view */

  /* Can DISK, which is LIVE in QEMU, be read so?  The first that says yes is taken. */
  bool (*open) (const struct backup *backup, struct backup_disk *disk, const struct qmp_disk *live);

  /* What QEMU must do for it after the freeze, and the undo, of all disks, also of those that
   * are read in another way or not at all.  May be NULL. */
  int (*start) (struct backup *backup, struct backup_disk *disk, struct failure *why);
  int (*stop) (struct backup *backup, struct failure *why);

  /* Has QEMU write to the images what it holds back of the time before the freeze (rule
   * D1), after start; DEADLINE as for backup_flush_prepare.  May be NULL: it holds nothing back. */
  int (*flush) (struct backup *backup, struct backup_disk *disk, int64_t deadline,
                struct failure *why);

  /* Adds to the view's ARGUMENTS the plugin's keys for it, and to DESCRIPTORS (of int),
   * the first of which is number FIRST in the view, what they name. */
  void (*tell) (const struct backup *backup, const struct backup_disk *disk,
                GPtrArray *arguments, GArray *descriptors, unsigned first);

  /* NULL, or why what was read is not the guest's data any more, by the survey; free with
   * g_free.  May be NULL: never. */
  char *(*problem) (const struct backup *backup, const struct backup_disk *disk);
};

/* Sets DISK's base.  FAILURE_QMP_UNSUPPORTED where it can only be read in a way that
 * this QEMU does not bear. */
int backup_base_choose (const struct backup *backup, struct backup_disk *disk,
                        const struct qmp_disk *live, struct failure *why) WARN_UNUSED;

/* The one of that NAME; NULL: none. */
const struct backup_base *backup_base_called (const char *name);

/* Opens DISK's images again, which another daemon had open, and VIEW, a pidfd (-1: none), may have
 * yet, as its descriptors from *NUMBER on, which moves on: if they are the same. */
int backup_base_reopen (const struct backup *backup, struct backup_disk *disk, int view,
                        unsigned *number, struct failure *why) WARN_UNUSED;

/* Asks QEMU what is read now, once for all disks, and the base of each.  *PROBLEM: NULL, or the
 * first that one of them has; free with g_free. */
int backup_base_look (struct backup *backup, char **problem, struct failure *why) WARN_UNUSED;

/* DISK is read through QEMU from now on. */
void backup_base_relay (struct backup_disk *disk);

/* Does any disk of BACKUP need it? */
bool backup_base_needs_server (const struct backup *backup);

#endif
