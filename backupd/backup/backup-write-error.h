/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes of the guest that QEMU cannot do (rule D8).  All are of the domain's thread. */
#ifndef PULLBACK_BACKUP_WRITE_ERROR_H
#define PULLBACK_BACKUP_WRITE_ERROR_H

#include "backup-model.h"

/* To be given each event of QEMU since the begin; DATA may be NULL.  Why the backup is not READY any
 * more (the caller's), or NULL. */
char *backup_write_error_event (const struct backup *backup, const char *event, json_object *data);

#endif
