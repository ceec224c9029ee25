/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The user's command of pullback run. */
#ifndef PULLBACK_CLI_SCRIPT_H
#define PULLBACK_CLI_SCRIPT_H

#include <stdbool.h>

#include <json-c/json.h>

#include "failure.h"
#include "process-spawn.h"

struct cli_script {
  struct process process;       /* pid 0: not running */
  bool own_group;               /* its process group is its own */
};

/* Runs COMMAND by /bin/sh -c with a variable uri_DISK (and uri_DISK_dirty)
 * for each disk of BACKUP, the reply of backup-begin, and uri if there is
 * one disk only. */
int cli_script_start (const char *command, json_object *backup,
                      struct cli_script *script, struct failure *why) WARN_UNUSED;

/* Has it ended?  Then *STATUS is its exit status, 128+N for signal N. */
bool cli_script_ended (struct cli_script *script, int *status);

/* Passes a signal on. */
void cli_script_signal (const struct cli_script *script, int number);

#endif
