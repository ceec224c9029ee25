/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file QEMU has open as a disk's image.  Threads: those of QMP. */
#ifndef PULLBACK_QMP_IMAGE_H
#define PULLBACK_QMP_IMAGE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "qmp.h"

#define QMP_FDSET_PREFIX "/dev/fdset/"
#define QMP_IMAGE_NOT_KNOWN " inode unknown"

/* What QEMU has open, and how. */
struct qmp_image {
  pid_t pid;
  struct stat st;
  int number;                   /* one of its descriptors that can be read */
  bool bypasses_cache;          /* one of them has O_DIRECT */
  bool can_be_written;          /* by one of them */
};

/* The image that QEMU, process PID, calls FILENAME, among its descriptors.  -errno
 * where it is not found there. */
int qmp_image_find (struct qmp *qmp, const char *filename, pid_t pid,
                    struct qmp_image *image) WARN_UNUSED;

/* The same of the file that is called ID by file-identity.h. */
int qmp_image_find_by_id (const char *id, pid_t pid, struct qmp_image *image) WARN_UNUSED;

/* All of process image->pid's descriptors of the file image->st: fills in the rest.
 * -ENOENT: it has none. */
int qmp_image_look (struct qmp_image *image) WARN_UNUSED;

/* What tells the image FILENAME from others: the name, and for a local one which file
 * QEMU has open by it, as files can be exchanged under their names.  Never NULL; free
 * with g_free. */
char *qmp_image_text (struct qmp *qmp, const char *filename);

enum qmp_image_likeness { QMP_IMAGE_SAME, QMP_IMAGE_OTHER, QMP_IMAGE_UNKNOWN };

/* Does NOW, of qmp_image_text, mean the same as BEFORE, which earlier versions may have
 * written: without an inode, or without what tells file systems apart? */
enum qmp_image_likeness qmp_image_compare (const char *before, const char *now);

#endif
