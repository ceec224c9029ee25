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

/* Runs all; at a failure undoes from the failed one back to the first and
 * returns the failure (failures of undos are logged). */
int steps_run (const struct step *steps, size_t n, void *context, struct failure *why) WARN_UNUSED;

/* Runs all undos, last step first, each whatever the others did; the first
 * failure is returned. */
int steps_undo (const struct step *steps, size_t n, void *context, struct failure *why) WARN_UNUSED;

/* Test builds: PULLBACK_STOP_AFTER=NAME aborts the process here. */
void steps_stop_after (const char *name);

#endif
