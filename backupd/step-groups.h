/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All steps of the daemon, for the test that stops after each. */
#ifndef PULLBACK_STEP_GROUPS_H
#define PULLBACK_STEP_GROUPS_H

#include "steps.h"

/* JOB is what runs STEP: begin, commit, abort, create, delete. */
void step_groups_each (void (*each) (const char *job, const struct step *step));

#endif
