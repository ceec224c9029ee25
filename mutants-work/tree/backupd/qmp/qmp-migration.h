/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Migrations, which a virtual machine that is saved to a file is as well.  Threads and
 * errors as in qmp.h. */
#ifndef PULLBACK_QMP_MIGRATION_H
#define PULLBACK_QMP_MIGRATION_H

#include "qmp.h"

enum qmp_migration {
  QMP_MIGRATION_NONE,           /* none, or done, or cancelled */
  QMP_MIGRATION_RUNS,           /* out of this QEMU, or into it */
  QMP_MIGRATION_FAILED          /* the last one has; it may be long ago */
};

/* Waits TIMEOUT_MS at most.  A peer that knows no migration has none. */
int qmp_migration_query (struct qmp *qmp, int timeout_ms, enum qmp_migration *migration,
                         struct failure *why) WARN_UNUSED;

/* Does another process have the images of this virtual machine?  So it is when it was
 * migrated away, or saved, and as long as one that was migrated in has not taken them.  Who
 * uses them then reads what changes unseen, may change them under the other's feet, and finds
 * no bitmaps.  1, 0 or -errno. */
int qmp_migration_gave_images (struct qmp *qmp, struct failure *why) WARN_UNUSED;

/* A node that no migration can be started with, nor a snapshot of the whole machine be taken.
 * FILE is one that QEMU may open, of qmp_migration_blocker_image, and may go afterwards. */
int qmp_migration_block (struct qmp *qmp, const char *node, const char *file, struct failure *why) WARN_UNUSED;

/* What is to be in FILE. */
#define QMP_MIGRATION_BLOCKER_SIZE 1024
void qmp_migration_blocker_image (unsigned char image[QMP_MIGRATION_BLOCKER_SIZE]);

#endif
