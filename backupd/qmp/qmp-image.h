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

/* A descriptor with such file status flags shows the right to the file's data? */
bool qmp_image_flags_read (unsigned flags);
/* The file status flags of descriptor NUMBER of process PID; false if it is gone. */
bool qmp_image_flags (pid_t pid, const char *number, unsigned *flags);
/* The file system's name that QEMU opened FILENAME by; NULL where it is no local
 * file's.  Free with g_free. */
char *qmp_image_local_name (const char *filename);
/* The file that process PID of QMP finds by NAME, of qmp_image_local_name.  0 or -errno. */
int qmp_image_stat (struct qmp *qmp, const char *name, pid_t pid, struct stat *st) WARN_UNUSED;

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

/* Is what qmp_image_find found by FILENAME surely what QEMU opened by that name, and no
 * file that got the name since and that QEMU has open for another node (rule V7)?  0,
 * -ENOTUNIQ where that cannot be told, or -errno. */
int qmp_image_is_certain (struct qmp *qmp, const char *filename, const struct qmp_image *image) WARN_UNUSED;

/* As qmp_image_find, of the file that is called ID by file-identity.h. */
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
