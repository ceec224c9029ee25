/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of pullback, by the command table. */
#ifndef PULLBACK_CLI_COMMAND_H
#define PULLBACK_CLI_COMMAND_H

#include <stdbool.h>

#include <json-c/json.h>

#include "control-commands.h"
#include "failure.h"

enum cli_action {
  CLI_CALL,                     /* a verb of the table */
  CLI_RUN,                      /* pullback run */
  CLI_HELP,                     /* command NULL: of everything */
  CLI_VERSION,
  CLI_LIST_VERBS,
  CLI_LIST_OPTIONS
};

struct cli_command {
  enum cli_action action;
  const struct control_command *command;
  json_object *arguments;       /* as the protocol has them; checked */
  const char *socket;           /* NULL: not given */
  bool json;
};

/* FAILURE_BAD_ARGUMENT or FAILURE_COMMAND_NOT_FOUND: a usage error.
 * Clear PARSED in either case. */
int cli_parse (int argc, char *argv[], struct cli_command *parsed,
               struct failure *why) WARN_UNUSED;
void cli_command_clear (struct cli_command *parsed);

/* "run", which is no command of the protocol, described like one. */
const struct control_command *cli_run_command (void);

#endif
