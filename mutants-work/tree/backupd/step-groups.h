/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All steps of the daemon, for the test that stops after each. */
#ifndef PULLBACK_STEP_GROUPS_H
#define PULLBACK_STEP_GROUPS_H

/* Prints "JOB STEP" and "JOB undo-STEP", a line each; JOB is what runs it: begin, end, commit,
 * abort, create, delete. */
void step_groups_print (void);

#endif
