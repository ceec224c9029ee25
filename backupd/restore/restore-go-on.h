/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an instant restore is interrupted and goes on.
 *
 * Threads: the caller has the restore. */
#ifndef PULLBACK_RESTORE_GO_ON_H
#define PULLBACK_RESTORE_GO_ON_H

#include "restore-model.h"

/* Nobody is connected to it, so that nobody's disk goes where it ends; nothing where RESTORE is not
 * instant.  Waits a little for who has just left. */
int restore_go_on_check_alone (struct restore *restore, struct failure *why) WARN_UNUSED;

/* That, it runs, and all is moved: it can be committed. */
int restore_go_on_check (struct restore *restore, struct failure *why) WARN_UNUSED;

/* Ends its processes.  It can go on, also in the next daemon. */
void restore_go_on_suspend (struct restore *restore);

/* One that is suspended, or comes from a journal, goes on. */
int restore_go_on_resume (struct restore *restore, struct failure *why) WARN_UNUSED;

/* Of another daemon's, whose processes may live: has what clients were answered written to the
 * images.  False: it may be lost.  After that its processes must be ended. */
bool restore_go_on_gather (const struct restore *restore) WARN_UNUSED;

/* And then it goes on; KEPT is what that said. */
int restore_go_on_without (struct restore *restore, bool kept, struct failure *why) WARN_UNUSED;

#endif
