/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pullback: the command line.  Exit status 0, 1 for a failure, 2 for wrong
 * usage; a failure is one sentence on standard error. */
#include <config.h>

#include <stdio.h>

#include <glib.h>

#include "cli-client.h"
#include "cli-command.h"
#include "cli-complete.h"
#include "cli-help.h"
#include "cli-run.h"
#include "cli-view.h"

static int
call_daemon (const struct cli_command *parsed, struct failure *why)
{
  struct cli_client *client = NULL;
  json_object *reply = NULL, *result = NULL;
  int r = cli_client_open (parsed->socket, &client, why);

  if (r < 0)
    return r;
  r = cli_client_call (client, parsed->command->verb, parsed->arguments->json,
                       &reply, &result, why);
  if (parsed->json && reply != NULL)
    printf ("%s\n", json_object_to_json_string_ext (
              reply, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
  else if (r == 0)
    cli_view_print (parsed->arguments, result);
  json_object_put (reply);
  json_object_put (result);
  cli_client_close (client);
  return r;
}

static int
act (const struct cli_command *parsed, int *status, struct failure *why)
{
  switch (parsed->action) {
  case CLI_CALL:
    if (parsed->command->kind != CONTROL_LOCAL)
      return call_daemon (parsed, why);
    return cli_run ((const void *) parsed->arguments, parsed->json, status,
                    why);
  case CLI_HELP:
    if (parsed->command == NULL)
      cli_help_all ();
    else
      cli_help_command (parsed->command);
    return 0;
  case CLI_VERSION:
    printf ("pullback %s\n", PACKAGE_VERSION);
    return 0;
  case CLI_COMPLETE:
    cli_complete (parsed->words);
    return 0;
  }
  return 0;
}

int
main (int argc, char *argv[])
{
  struct cli_command parsed;
  struct failure why = { .error = 0 };
  int status = 0;
  int r = cli_parse (argc, argv, &parsed, &why);

  if (r == 0 && parsed.arguments != NULL &&
      parsed.command->kind == CONTROL_LOCAL)
    r = cli_run_check ((const void *) parsed.arguments, &why);
  if (r < 0)
    status = 2;
  else {
    r = act (&parsed, &status, &why);
    if (r < 0)
      status = 1;
  }
  control_arguments_free (parsed.arguments);
  if (r < 0)
    fprintf (stderr, "pullback: %s\n", why.text);
  if (fflush (stdout) != 0 || ferror (stdout))
    status = status == 0 ? 1 : status;
  return status;
}
