/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>
#include <string.h>

#include "cli-command.h"
#include "cli-help.h"

static void
print_synopsis (const struct control_command *command)
{
  const struct control_argument *a;

  printf ("%s", command->verb);
  for (a = command->arguments; a->name != NULL; a++) {
    bool required = (a->flags & CONTROL_REQUIRED) != 0;
    const char *more = control_type_is_list (a->type) ? "..." : "";

    if ((a->flags & CONTROL_POSITIONAL) != 0 && required)
      printf (" %s", a->value);
    else if ((a->flags & CONTROL_POSITIONAL) != 0)
      printf (" [[--%s] %s]", a->option, a->value);
    else if (a->type == CONTROL_BOOL)
      printf (" [--%s]", a->option);
    else
      printf (required ? " --%s %s%s" : " [--%s %s]%s", a->option, a->value,
              more);
  }
  printf ("\n");
}

static void
print_globals (void)
{
  printf ("  --socket PATH     control socket of the daemon (default "
          "$PULLBACK_SOCKET, else\n"
          "                    " PULLBACK_RUNTIMEDIR "/control.sock)\n"
          "  --json            print the daemon's reply as it is\n"
          "  --help            this text, or after a command its own\n"
          "  --version         show the version\n"
          "  --list-verbs      the commands, for completion\n"
          "  --list-options COMMAND\n"
          "                    its options, for completion\n");
}

static void
print_summary (const struct control_command *command)
{
  printf ("  ");
  print_synopsis (command);
  printf ("      %s\n", command->help);
}

void
cli_help_all (void)
{
  const struct control_command *c;

  printf ("Usage: pullback [--socket PATH] [--json] COMMAND [ARGUMENTS]\n\n"
          "Lets NBD clients pull full and incremental backups of running "
          "QEMU virtual\nmachines.\n\nCommands:\n");
  print_summary (cli_run_command ());
  for (c = control_commands (); c->verb != NULL; c++)
    print_summary (c);
  printf ("\nOptions:\n");
  print_globals ();
}

void
cli_help_command (const struct control_command *command)
{
  const struct control_argument *a;

  printf ("Usage: pullback ");
  print_synopsis (command);
  printf ("\n%s.\n", command->help);
  if (command->arguments[0].name != NULL)
    printf ("\n");
  for (a = command->arguments; a->name != NULL; a++) {
    char left[64];

    snprintf (left, sizeof left, "--%s%s%s", a->option,
              a->value == NULL ? "" : " ", a->value == NULL ? "" : a->value);
    printf ("  %-28s %s\n", left, a->help);
  }
}

void
cli_list_verbs (void)
{
  const struct control_command *c;

  printf ("run\n");
  for (c = control_commands (); c->verb != NULL; c++)
    printf ("%s\n", c->verb);
}

void
cli_list_options (const struct control_command *command)
{
  const struct control_argument *a;

  for (a = command->arguments; a->name != NULL; a++)
    printf ("--%s\n", a->option);
}
