/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a pullback run that was killed has left, for the next one to tidy up.
 *
 * RUNTIME/lock is locked by the run and by its daemon: who gets the lock has
 * outlived both.  RUNTIME/folders says which the other folders are. */
#ifndef PULLBACK_CLI_LEFTOVER_H
#define PULLBACK_CLI_LEFTOVER_H

#include "cli-private.h"

/* Locks the new runtime folder. */
int cli_leftover_lock (struct cli_private *run, struct failure *why) WARN_UNUSED;

/* Notes the other folders. */
int cli_leftover_note (const struct cli_private *run, struct failure *why) WARN_UNUSED;

/* Makes RUN (for cli_private_stop) of the folder RUNTIME, if it is of a run of
 * our user's that nobody holds. */
bool cli_leftover_take (const char *runtime, struct cli_private *run) WARN_UNUSED;

#endif
