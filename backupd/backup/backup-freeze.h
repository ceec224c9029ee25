/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal says of the freeze; its steps are in backup-steps.h. */
#ifndef PULLBACK_BACKUP_FREEZE_H
#define PULLBACK_BACKUP_FREEZE_H

#include "backup-model.h"

/* Sets it to FREEZE, and writes the journal if that is news. */
int backup_freeze_note (struct backup *backup, enum backup_frozen freeze,
                        struct failure *why) WARN_UNUSED;

#endif
