/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A look at what clients will see. */
#ifndef PULLBACK_BACKUP_CHECK_H
#define PULLBACK_BACKUP_CHECK_H

#include "backup-plan.h"

/* A child that cannot serve is noticed after this long. */
#define BACKUP_CHECK_TIMEOUT_MS 20000

/* Opens every public export through the gateway (rule N3). */
int backup_check_exports (void *context, struct failure *why) WARN_UNUSED;

#endif
