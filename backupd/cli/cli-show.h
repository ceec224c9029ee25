/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies of the daemon for people. */
#ifndef PULLBACK_CLI_SHOW_H
#define PULLBACK_CLI_SHOW_H

#include <json-c/json.h>

/* Prints RESULT, the reply of VERB to ARGUMENTS. */
void cli_show (const char *verb, json_object *arguments, json_object *result);

#endif
