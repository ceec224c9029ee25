/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts of --help are the programs' own: only a person knows how to lay
 * them out.  tests/style/docs-match-help.sh compares them with the manual
 * pages. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command-line.h"
#include "size.h"

/* What getopt_long returns for the option number 0. */
#define FIRST 256

static int
take_number (const struct command_line_option *option, const char *text,
             struct failure *why)
{
  char *end;
  long value;

  errno = 0;
  value = strtol (text, &end, 10);
  /* strtol takes spaces and a '+', too. */
  if ((*text != '-' && !isdigit ((unsigned char) *text)) || errno != 0 ||
      end == text || *end != '\0' || value < option->least ||
      value > option->most)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--%s needs %d to "
                        "%d %s, not %.200s; see --help", option->name,
                        option->least, option->most, option->unit, text);
  *option->number = (int) value;
  return 0;
}

static int
take_size (const struct command_line_option *option, const char *text,
           struct failure *why)
{
  uint64_t size;

  if (size_parse (text, &size) < 0 || size < option->size_least)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--%s needs a number "
                        "of bytes from %" PRIu64 " on, such as 1048576, 1024K, "
                        "1M, 1G or 1T, not %.200s; see --help", option->name,
                        option->size_least, text);
  *option->size = size;
  return 0;
}

static int
take (const struct command_line_option *option, const char *text,
      struct failure *why)
{
  if (option->flag != NULL)
    *option->flag = true;
  else if (text == NULL)
    *option->text = option->implied;
  else if (text[0] == '\0')
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "the option --%s needs a value that is not empty; see "
                        "--help", option->name);
  else if (option->text != NULL)
    *option->text = text;
  else if (option->texts != NULL)
    option->texts->items[option->texts->n++] = text;
  else if (option->size != NULL)
    return take_size (option, text, why);
  else
    return take_number (option, text, why);
  return 0;
}

/* What getopt_long wants to have. */
struct tables {
  char letters[2 * COMMAND_LINE_MAX + 4];
  struct option names[COMMAND_LINE_MAX + 3];
};

static void
fill_tables (const struct command_line_option *options, struct tables *tables)
{
  char *letter = tables->letters;
  struct option *name = tables->names;
  int i;

  *tables = (struct tables) { .letters = ":" };
  letter++;
  for (i = 0; options[i].name != NULL; i++) {
    if (options[i].word != NULL)
      continue;
    *name++ = (struct option) {
      .name = options[i].name, .val = FIRST + i,
      .has_arg = options[i].flag != NULL ? no_argument
                 : options[i].implied != NULL ? optional_argument
                 : required_argument
    };
    if (options[i].letter != 0)
      *letter++ = options[i].letter;
    if (options[i].letter != 0 && options[i].flag == NULL)
      *letter++ = ':';
  }
  *name++ = (struct option) { .name = "help", .val = 'h' };
  *name = (struct option) { .name = "version", .val = 'V' };
  *letter++ = 'h';
  *letter = 'V';
}

/* The option that getopt_long found; NULL: there is none. */
static const struct command_line_option *
find (const struct command_line_option *options, int found)
{
  if (found >= FIRST)
    return &options[found - FIRST];
  for (; options->name != NULL; options++)
    if (options->letter == found)
      return options;
  return NULL;
}

static bool
is_ambiguous (const struct option *names, const char *start)
{
  size_t length = strcspn (start, "=");
  int n = 0;

  for (; names->name != NULL; names++)
    n += strncmp (names->name, start, length) == 0;
  return n > 1;
}

/* What getopt_long did not take.  WORD is the last one it went past: that is
 * an option with a long name, but never one inside a cluster of letters. */
static int
refuse (const struct tables *tables, int found, const char *word,
        struct failure *why)
{
  const char letter[] = { '-', isascii (optopt) ? (char) optopt : '?', '\0' };
  const char *wrong = "takes no value";

  if (found == ':') {
    wrong = "needs a value";
    word = optopt < FIRST ? letter : word;
  } else if (optopt == 0 && is_ambiguous (tables->names, word + 2))
    wrong = "is ambiguous";
  else if (optopt < FIRST && optopt != 'h' && optopt != 'V')
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "unknown option %.200s; see --help",
                        optopt == 0 ? word : letter);
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                      "the option %.*s %s; see --help",
                      (int) strcspn (word, "="), word, wrong);
}

/* What is beside the options. */
static int
take_words (int argc, char **argv, const struct command_line_option *options,
            struct failure *why)
{
  for (; options->name != NULL; options++) {
    if (options->word == NULL)
      continue;
    if (optind == argc || argv[optind][0] == '\0')
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "%s is missing; see --help", options->name);
    *options->word = argv[optind++];
  }
  if (optind < argc)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "unexpected argument %.200s; see --help",
                        argv[optind]);
  return 0;
}

static int
check (const struct command_line_option *options, struct failure *why)
{
  for (; options->name != NULL; options++)
    if (options->needed != NULL && *options->text == NULL)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                          "--%s %s is missing; see --help", options->name,
                          options->needed);
  return 0;
}

int
command_line_parse (int argc, char **argv, const char *program,
                    const char *help,
                    const struct command_line_option *options,
                    struct failure *why)
{
  const struct command_line_option *option;
  struct tables tables;
  int found, r = 0;

  fill_tables (options, &tables);
  opterr = 0;
  while (r == 0 && (found = getopt_long (argc, argv, tables.letters,
                                         tables.names, NULL)) != -1) {
    option = find (options, found);
    if (option != NULL)
      r = take (option, optarg, why);
    else if (found == 'h')
      r = fputs (help, stdout) < 0 ? -errno : 1;
    else if (found == 'V')
      r = printf ("%s %s\n", program, PACKAGE_VERSION) < 0 ? -errno : 1;
    else
      r = refuse (&tables, found, argv[optind - 1], why);
  }
  if (r == 0)
    r = take_words (argc, argv, options, why);
  return r == 0 ? check (options, why) : r;
}
