/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A restore that is ready goes on without its daemon, and is taken over by the next.  Its processes
 * keep the images locked meanwhile, and the next daemon gets from them the very descriptions that
 * this one had: what the kernel has to tell of a lost write, and has told nobody yet, is told to it.
 * Threads: as restore-recover.h, and restore_close. */
#ifndef PULLBACK_RESTORE_ADOPT_H
#define PULLBACK_RESTORE_ADOPT_H

#include "restore-model.h"

/* RESTORE is of a journal.  False: it was not ready, or who writes an image has died, with which the
 * lock of that was gone; what is left of it is to be ended. */
bool restore_adopt (struct restore *restore);

/* Its processes go on, and are not ours any more.  False: they cannot, and it is to be aborted. */
bool restore_adopt_leave (struct restore *restore);

/* Durably: the next daemon ends it.  Also an undo (steps.h). */
int restore_note_ends (void *context, struct failure *why);

#endif
