/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps around the freeze that make it one of quiet file systems are in
 * backup-steps.h; this is what became of it. */
#ifndef PULLBACK_BACKUP_QUIESCE_H
#define PULLBACK_BACKUP_QUIESCE_H

#include "backup-model.h"

/* Adds "consistency", "consistency-reason" and "quiesced-ms". */
void backup_quiesce_info (const struct backup *backup, json_object *info);

#endif
