/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job as a table of named steps with undos.
 *
 * Undos are idempotent and cope with a step that did not run, or not to its
 * end: after a failure the failed step's own undo runs first, and recovery after
 * a crash runs all of them. */
#ifndef PULLBACK_STEPS_H
#define PULLBACK_STEPS_H

#include <stddef.h>

#include "failure.h"

struct step {
  const char *name;
  int (*run) (void *context, struct failure *why);
  int (*undo) (void *context, struct failure *why);     /* may be NULL */
};

/* Runs them up to the first failure, which is returned.  *STARTED is the number of
 * steps that ran, the failed one included: what steps_undo must be given. */
int steps_run (const struct step *steps, size_t n, void *context, size_t *started,
               struct failure *why) WARN_UNUSED;

/* Runs all undos, last step first, each whatever the others did; the first
 * failure is returned. */
int steps_undo (const struct step *steps, size_t n, void *context, struct failure *why) WARN_UNUSED;

/* Test builds: PULLBACK_STOP_AFTER=NAME aborts the process here.  PULLBACK_PAUSE=FILE
 * halts the thread where FILE holds NAME: FILE becomes FILE.paused, and it goes on
 * when that is removed.  After the undo of step X it is called with "undo-X". */
void steps_stop_after (const char *name);

#endif
