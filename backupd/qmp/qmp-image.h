/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that QEMU has open as an image.  Threads: any. */
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
/* The file that process PID, which has the SETS of query-fdsets, finds by NAME, of
 * qmp_image_local_name.  0 or -errno. */
int qmp_image_stat (json_object *sets, const char *name, pid_t pid, struct stat *st) WARN_UNUSED;

/* What QEMU has open, and how. */
struct qmp_image {
  pid_t pid;
  struct stat st;
  int number;                   /* one of its descriptors that can be read */
  bool bypasses_cache;          /* one of them has O_DIRECT */
  bool can_be_written;          /* by one of them */
};

/* One of its descriptors has the file status FLAGS. */
void qmp_image_note_flags (struct qmp_image *image, unsigned flags);

/* The image that is called ID by file-identity.h, among process PID's descriptors.  -errno
 * where it is not found there. */
int qmp_image_find_by_id (const char *id, pid_t pid, struct qmp_image *image) WARN_UNUSED;

/* What qmp_survey_image_text puts behind the name of the file that is open at PATH, of some process's
 * descriptors, and was ST.  Free with g_free. */
char *qmp_image_stamp (const char *path, const struct stat *st);

/* Does TEXT, of qmp_survey_image_text, mean what PATH, which has no symbolic links, leads to and has
 * the STAMP?  Where that has the time of a file's birth, it may have had another name. */
bool qmp_image_is_stamped (const char *text, const char *stamp, const char *path);

enum qmp_image_likeness { QMP_IMAGE_SAME, QMP_IMAGE_OTHER, QMP_IMAGE_UNKNOWN };

/* Does NOW, of qmp_survey_image_text, mean the same as BEFORE, which earlier versions may have
 * written: without an inode, or without what tells file systems apart? */
enum qmp_image_likeness qmp_image_compare (const char *before, const char *now);

#endif
