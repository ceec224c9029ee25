/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help, printed from the command table. */
#ifndef PULLBACK_CLI_HELP_H
#define PULLBACK_CLI_HELP_H

#include "control-commands.h"

void cli_help_all (void);
void cli_help_command (const struct control_command *command);

#endif
