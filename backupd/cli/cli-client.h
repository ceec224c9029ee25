/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the daemon. */
#ifndef PULLBACK_CLI_CLIENT_H
#define PULLBACK_CLI_CLIENT_H

#include <json-c/json.h>

#include "failure.h"

struct cli_client;

/* SOCKET_PATH NULL: $PULLBACK_SOCKET, else where the daemon has it by default. */
int cli_client_open (const char *socket_path, struct cli_client **client,
                     struct failure *why) WARN_UNUSED;
void cli_client_close (struct cli_client *client);

/* Runs VERB; ARGUMENTS are borrowed and may be NULL.  Waits as long as it
 * takes.  *REPLY (may be NULL) is the whole reply, of an error too (or NULL
 * where none came); *RESULT is set on success.  New references. */
int cli_client_call (struct cli_client *client, const char *verb,
                     json_object *arguments, json_object **reply,
                     json_object **result, struct failure *why) WARN_UNUSED;

#endif
