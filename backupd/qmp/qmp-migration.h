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

#endif
