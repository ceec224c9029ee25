/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The import of the frozen bitmaps of all disks and bases (rule N2).  A step of
 * backup-steps.c and its undo. */
#ifndef PULLBACK_BACKUP_IMPORT_H
#define PULLBACK_BACKUP_IMPORT_H

#include "backup-plan.h"

int backup_import (void *context, struct failure *why) WARN_UNUSED;
int backup_undo_import (void *context, struct failure *why) WARN_UNUSED;

#endif
