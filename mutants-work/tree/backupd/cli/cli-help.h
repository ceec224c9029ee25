/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help and completion words, printed from the command table. */
#ifndef PULLBACK_CLI_HELP_H
#define PULLBACK_CLI_HELP_H

#include "control-commands.h"

void cli_help_all (void);
void cli_help_command (const struct control_command *command);
void cli_list_verbs (void);
void cli_list_options (const struct control_command *command);

#endif
