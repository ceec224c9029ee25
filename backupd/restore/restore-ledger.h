/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STATE/.restore/.ledger: the images that were restored, each with the checkpoints that there were
 * then.  An overlay's bitmaps know nothing of what is written below it (rule R11).
 *
 * Checkpoints are counted by name, not by time: a clock may be set back.  Threads: any. */
#ifndef PULLBACK_RESTORE_LEDGER_H
#define PULLBACK_RESTORE_LEDGER_H

#include "restore-model.h"

/* STATE is the daemon's folder, whose checkpoints are meant.  Once, before what is below and
 * restore_is_below. */
void restore_ledger_open (const char *state);

/* RESTORE's images are about to be used as they are: all checkpoints that there are now are
 * older.  Durable. */
int restore_ledger_add (const struct restore *restore, struct failure *why) WARN_UNUSED;

#endif
