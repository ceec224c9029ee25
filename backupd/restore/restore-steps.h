/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of a restore, as tables (restore-steps.c), and those of them that have a file of
 * their own: all as steps.h says, CONTEXT is the struct restore. */
#ifndef PULLBACK_RESTORE_STEPS_H
#define PULLBACK_RESTORE_STEPS_H

#include "restore-model.h"
#include "steps.h"

/* Begin: before anybody can write, and from then on. */
extern const struct step restore_begin_steps[];
extern const size_t n_restore_begin_steps;
extern const struct step restore_serve_steps[];
extern const size_t n_restore_serve_steps;

/* Their undos, which are the abort, a begin that failed, and what the next daemon does; again
 * where it failed before.  Where it is not known, durably, what is half restored, nothing is taken
 * away; what cannot be removed stays in the journal. */
int restore_undo (struct restore *restore, struct failure *why) WARN_UNUSED;

/* What the next daemon does instead of beginning it (restore-adopt.c). */
extern const struct step restore_adopt_steps[];
extern const size_t n_restore_adopt_steps;

extern const struct step restore_commit_steps[];
extern const size_t n_restore_commit_steps;

/* Those that come after the journal has said that all is synced. */
extern const struct step restore_publish_steps[];
extern const size_t n_restore_publish_steps;

/* Who writes raw images and block devices (restore-serve.c). */
int restore_serve_start_plugin (void *context, struct failure *why) WARN_UNUSED;
int restore_serve_stop_plugin (void *context, struct failure *why);
int restore_serve_start_gateway (void *context, struct failure *why) WARN_UNUSED;
int restore_serve_stop_gateway (void *context, struct failure *why);

/* Opens every export: what serves it has come so far that it goes on without the thread that has
 * started it. */
int restore_serve_check (void *context, struct failure *why) WARN_UNUSED;

#endif
