/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of pullback, by the command table. */
#ifndef PULLBACK_CLI_COMMAND_H
#define PULLBACK_CLI_COMMAND_H

#include <stdbool.h>

#include "control-commands.h"
#include "failure.h"

enum cli_action {
  CLI_CALL,                     /* carry out the command */
  CLI_HELP,                     /* command NULL: of everything */
  CLI_VERSION,
  CLI_COMPLETE
};

struct cli_command {
  enum cli_action action;
  const struct control_command *command;
  struct control_arguments *arguments;  /* of it; NULL: another action */
  const char *socket;           /* NULL: not given */
  char **words;                 /* the last is to be completed; argv, NULL follows */
  bool json;
};

/* FAILURE_BAD_ARGUMENT or FAILURE_COMMAND_NOT_FOUND: a usage error.
 * Free PARSED's arguments in either case. */
int cli_parse (int argc, char *argv[], struct cli_command *parsed,
               struct failure *why) WARN_UNUSED;

/* The positional argument that a word would be of after those that ARGUMENTS has, or
 * NULL. */
const struct control_argument *cli_next_positional (const struct control_command *command,
                                                    json_object *arguments);

/* The options of pullback itself, described like those of a command. */
const struct control_argument *cli_global_options (void);

#endif
