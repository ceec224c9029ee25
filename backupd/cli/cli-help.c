/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help is printed from the command table, so that it cannot lack what the
 * daemon takes; only the breaking of lines is done here, as synopses are
 * longer than terminals are wide. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli-command.h"
#include "cli-help.h"

/* --- lines of the terminal's width -------------------------------------- */

#define OPTION_COLUMNS 28       /* of an option's name in a list */

struct lines {
  size_t width;
  size_t indent;                /* of the lines after the first */
  size_t at;                    /* columns that the current one has */
};

static size_t
terminal_width (void)
{
  const char *columns = getenv ("COLUMNS");
  unsigned long width = columns == NULL ? 0 : strtoul (columns, NULL, 10);
  struct winsize size;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    width = size.ws_col;
  /* Below that, lines are broken by the terminal no worse than by us. */
  return width >= 40 && width < 10000 ? width : 80;
}

/* START is printed as it is; what follows is indented by INDENT. */
static struct lines
lines_start (const char *start, size_t indent)
{
  printf ("%s", start);
  return (struct lines) { .width = terminal_width (), .indent = indent,
                          .at = strlen (start) };
}

/* WORD (LENGTH bytes) after what is there, or on a line of its own. */
static void
lines_put (struct lines *lines, const char *word, size_t length)
{
  /* A terminal breaks a line that is full to the last column. */
  if (lines->at > lines->indent && lines->at + 1 + length >= lines->width) {
    bool fits = lines->indent + length < lines->width;

    /* A word that is too long for the indentation begins before it. */
    lines->at = fits ? lines->indent
                : length < lines->width ? lines->width - length - 1 : 0;
    printf ("\n%*s", (int) lines->at, "");
  } else if (lines->at > lines->indent) {
    printf (" ");
    lines->at++;
  }
  printf ("%.*s", (int) length, word);
  lines->at += length;
}

static void
lines_put_text (struct lines *lines, const char *text)
{
  while (*text != '\0') {
    size_t length = strcspn (text, " ");

    lines_put (lines, text, length);
    text += length;
    text += strspn (text, " ");
  }
  printf ("\n");
}

/* --- help ---------------------------------------------------------------- */

/* "[--base NAME]..." */
static void
format_argument (const struct control_argument *a, char *word, size_t size)
{
  bool required = (a->flags & CONTROL_REQUIRED) != 0;
  const char *more = control_type_is_list (a->type) ? "..." : "";

  if ((a->flags & CONTROL_POSITIONAL) != 0 && required)
    snprintf (word, size, "%s", a->value);
  else if ((a->flags & CONTROL_POSITIONAL) != 0)
    snprintf (word, size, "[[--%s] %s]", a->option, a->value);
  else if (a->type == CONTROL_BOOL)
    snprintf (word, size, "[--%s]", a->option);
  else
    snprintf (word, size, required ? "--%s %s%s" : "[--%s %s]%s", a->option,
              a->value, more);
}

/* After START, which stands in the first line. */
static void
print_synopsis (const char *start, const struct control_command *command)
{
  size_t indent = strlen (start) + strlen (command->verb) + 1;
  struct lines lines = lines_start (start, indent);
  const struct control_argument *a;

  lines.at += (size_t) printf ("%s", command->verb);
  if (command->arguments[0].name != NULL)
    lines.at += (size_t) printf (" ");
  for (a = command->arguments; a->name != NULL; a++) {
    char word[128];

    format_argument (a, word, sizeof word);
    lines_put (&lines, word, strlen (word));
  }
  printf ("\n");
}

static void
print_option (const char *option, const char *value, const char *help)
{
  char left[128];
  struct lines lines;

  snprintf (left, sizeof left, "  --%s%s%s", option, value == NULL ? "" : " ",
            value == NULL ? "" : value);
  lines = lines_start (left, OPTION_COLUMNS + 3);
  if (lines.at >= lines.indent) {
    printf ("\n");
    lines.at = 0;
  }
  printf ("%*s", (int) (lines.indent - lines.at), "");
  lines.at = lines.indent;
  lines_put_text (&lines, help);
}

static void
print_options (const struct control_argument *a)
{
  for (; a->name != NULL; a++)
    print_option (a->option, a->value, a->help);
}

static void
print_summary (const struct control_command *command)
{
  struct lines lines;

  print_synopsis ("  ", command);
  lines = lines_start ("      ", 6);
  lines_put_text (&lines, command->help);
}

void
cli_help_all (void)
{
  const struct control_command *c;

  struct lines lines;

  printf ("Usage: pullback [--socket PATH] [--json] COMMAND [ARGUMENTS]\n\n");
  lines = lines_start ("", 0);
  lines_put_text (&lines, "Lets NBD clients pull full and incremental backups "
                  "of running QEMU virtual machines.");
  printf ("\nCommands:\n");
  for (c = control_commands (); c->verb != NULL; c++)
    print_summary (c);
  printf ("\nOptions:\n");
  print_options (cli_global_options ());
}

void
cli_help_command (const struct control_command *command)
{
  print_synopsis ("Usage: pullback ", command);
  printf ("\n%s.\n", command->help);
  if (command->arguments[0].name != NULL)
    printf ("\n");
  print_options (command->arguments);
}
