/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STATE/.restore/NAME.json, from before anything is done for a restore until nothing of it is
 * left.  Of a half restored block device it is the only mark. */
#ifndef PULLBACK_RESTORE_JOURNAL_H
#define PULLBACK_RESTORE_JOURNAL_H

#include "restore-model.h"

/* As the restore is now, so that it is there after a crash. */
int restore_journal_write (const struct restore *restore, struct failure *why) WARN_UNUSED;

/* With PHASE, which the restore then has. */
int restore_journal_write_phase (struct restore *restore, enum restore_phase phase,
                                 struct failure *why) WARN_UNUSED;

int restore_journal_remove (const struct restore *restore, struct failure *why) WARN_UNUSED;

/* The restore NAME that another daemon has written down; its targets are of records, and NULL
 * where it had not opened them. */
int restore_journal_read (const char *name, const struct restore_settings *settings,
                          struct restore **restore, struct failure *why) WARN_UNUSED;

#endif
