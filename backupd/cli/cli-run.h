/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback run: one backup from begin to end, with a daemon of its own. */
#ifndef PULLBACK_CLI_RUN_H
#define PULLBACK_CLI_RUN_H

#include <stdbool.h>

#include "control-commands.h"
#include "failure.h"

/* Do they make sense together?  FAILURE_BAD_ARGUMENT: a usage error. */
int cli_run_check (const struct arguments_run *arguments, struct failure *why) WARN_UNUSED;

/* Of arguments that do: 0: *STATUS is the exit status to end with.  On failure the backup was aborted, and
 * all is cleaned up. */
int cli_run (const struct arguments_run *arguments, bool json, int *status,
             struct failure *why) WARN_UNUSED;

#endif
