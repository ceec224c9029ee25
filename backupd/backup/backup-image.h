/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image that holds bytes of a disk, as one open file: the very one that QEMU
 * has open, found once, when the backup begins, and handed to each view.  What
 * becomes of its path afterwards does not matter. */
#ifndef PULLBACK_BACKUP_IMAGE_H
#define PULLBACK_BACKUP_IMAGE_H

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

#include "file-identity.h"
#include "qmp-disk.h"
#include "qmp-survey.h"

struct backup_image {
  int fd;                       /* read-only; O_DIRECT where rule V5 wants it; -1: not open */
  char id[FILE_IDENTITY_SIZE];
  uint64_t size;                /* bytes, when it was opened */
  bool can_be_written;          /* QEMU had it open so then */
  bool never_flushed;           /* of struct qmp_layer */
  const char *format;           /* of struct qmp_layer; NULL: the disk is this, raw */
  char *node, *file;            /* likewise; NULL: not known */
};

/* What QEMU has open as FILENAME, if we may read it.  -errno, and WHAT it is that failed,
 * static. */
int backup_image_find (const struct qmp_survey *survey, const char *filename,
                       struct backup_image **image, const char **what) WARN_UNUSED;

/* The raw image or block device that holds DISK's bytes at the disk's own
 * offsets, if QEMU, process QEMU_PID, has it open and we may read it; NULL otherwise,
 * with the reason in the log (it is read in another way then). */
struct backup_image *backup_image_open (const struct qmp_survey *survey, const struct qmp_disk *disk,
                                        pid_t qemu_pid);

/* One that an earlier daemon had open, of that ID and SIZE; not open here. */
struct backup_image *backup_image_remembered (const char *id, uint64_t size);

/* Opens that, as descriptor NUMBER of the process VIEW, a pidfd (-1: none), has it, or else
 * as process QEMU_PID has.  -ESTALE: what is there is another one, or shorter. */
int backup_image_reopen (struct backup_image *image, int view, unsigned number, pid_t qemu_pid) WARN_UNUSED;

/* Is it all there yet, and does QEMU have it open in the way that it
 * is read here (rule V5)?  NULL, or what is wrong with that of DISK; free with
 * g_free. */
char *backup_image_problem (const struct backup_image *image, const char *disk,
                            const struct qmp_survey *survey);

void backup_image_close (struct backup_image *image);

/* A list that owns what is put in. */
GPtrArray *backup_image_list (void);

#endif
