/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Good and bad command lines of a program that has each kind of option, and of one that
 * has words beside them. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command-line.h"

#define WORDS 16

static bool flag;
static const char *text, *items[WORDS];
static struct command_line_texts texts;
static int number;
static uint64_t size;

static const struct command_line_option without_words[] = {
  { .name = "flag", .letter = 'f', .flag = &flag },
  { .name = "text", .letter = 't', .text = &text, .needed = "PATH" },
  { .name = "texts", .texts = &texts },
  { .name = "number", .number = &number, .least = -1, .most = 7,
    .unit = "seconds" },
  { .name = "size", .size = &size, .size_least = 1024 },
  { .name = NULL }
}, *table = without_words;

/* Splits LINE at its spaces. */
static int
parse (const char *line, struct failure *why)
{
  static char copy[100];
  char *words[WORDS + 1] = { copy };
  int n = 0;

  strcpy (copy, line);
  for (char *word = strtok (copy, " "); word != NULL && n < WORDS;
       word = strtok (NULL, " "))
    words[n++] = word;
  words[n] = NULL;
  flag = false;
  text = NULL;
  texts = (struct command_line_texts) { .items = items };
  number = 99;
  optind = 0;                   /* getopt begins anew */
  return command_line_parse (n, words, "program", "help\n", table, why);
}

static void
expect_failure (const char *line, const char *sentence)
{
  struct failure why = { .error = 0 };

  if (parse (line, &why) != -EINVAL || strcmp (why.text, sentence) != 0)
    fprintf (stderr, "%s: %s\n", line, why.text);
  assert (why.error == EINVAL && strcmp (why.text, sentence) == 0);
}

static const char *from, *to, *how;

static const struct command_line_option with_words[] = {
  { .name = "FROM", .word = &from },
  { .name = "how", .text = &how, .implied = "well" },
  { .name = "TO", .word = &to },
  { .name = NULL }
};

static void
test_words (void)
{
  struct failure why = { .error = 0 };

  how = NULL;
  table = with_words;
  assert (parse ("p a b", &why) == 0 && how == NULL);
  assert (strcmp (from, "a") == 0 && strcmp (to, "b") == 0);
  /* A word that follows is no value of an option that needs none. */
  assert (parse ("p c --how d", &why) == 0 && strcmp (how, "well") == 0);
  assert (strcmp (from, "c") == 0 && strcmp (to, "d") == 0);
  assert (parse ("p --how=badly -- -e f", &why) == 0);
  assert (strcmp (from, "-e") == 0 && strcmp (how, "badly") == 0);
  expect_failure ("p a", "TO is missing; see --help");
  expect_failure ("p", "FROM is missing; see --help");
  expect_failure ("p a b c", "unexpected argument c; see --help");
  expect_failure ("p a b --FROM=x", "unknown option --FROM=x; see --help");
  expect_failure ("p a b --how=", "the option --how needs a value that is not "
                  "empty; see --help");
}

int
main (void)
{
  struct failure why = { .error = 0 };

  assert (parse ("p --texts a -f --texts=b -t c --number -1 -t d", &why) == 0);
  assert (flag && strcmp (text, "d") == 0 && number == -1);
  assert (texts.n == 2 && items[0][0] == 'a' && items[1][0] == 'b');
  assert (parse ("p --text=x --number 7", &why) == 0 && number == 7 && !flag);
  assert (parse ("p --text=x", &why) == 0 && number == 99);
  assert (parse ("p --text=x --size 3K", &why) == 0 && size == 3072);
  expect_failure ("p --text=x --size 1023", "--size needs a number of bytes "
                  "from 1024 on, such as 1048576, 1024K, 1M, 1G or 1T, not "
                  "1023; see --help");
  /* Neither needs what is missing, nor minds what follows. */
  assert (parse ("p --help --nonsense", &why) == 1);
  assert (parse ("p -h", &why) == 1);
  assert (parse ("p --version more", &why) == 1);
  assert (parse ("p -V", &why) == 1);
  assert (why.error == 0);
  expect_failure ("p", "--text PATH is missing; see --help");
  expect_failure ("p --text x more", "unexpected argument more; see --help");
  expect_failure ("p --text", "the option --text needs a value; see --help");
  expect_failure ("p --nonsense", "unknown option --nonsense; see --help");
  expect_failure ("p -x", "unknown option -x; see --help");
  /* The letter that is wrong, not the word before it. */
  expect_failure ("p -xf", "unknown option -x; see --help");
  expect_failure ("p --flag -fx", "unknown option -x; see --help");
  expect_failure ("p -x\xc3\xa4", "unknown option -x; see --help");
  expect_failure ("p -\xc3\xa4", "unknown option -?; see --help");
  expect_failure ("p -ft", "the option -t needs a value; see --help");
  expect_failure ("p --nonsense=1", "unknown option --nonsense=1; see --help");
  expect_failure ("p --flag=1", "the option --flag takes no value; see --help");
  expect_failure ("p --help=1", "the option --help takes no value; see --help");
  expect_failure ("p --te", "the option --te is ambiguous; see --help");
  expect_failure ("p --=x", "the option -- is ambiguous; see --help");
  expect_failure ("p --number 8",
                  "--number needs -1 to 7 seconds, not 8; see --help");
  expect_failure ("p --number -2",
                  "--number needs -1 to 7 seconds, not -2; see --help");
  expect_failure ("p --number=", "the option --number needs a value that is "
                  "not empty; see --help");
  expect_failure ("p --text=", "the option --text needs a value that is not "
                  "empty; see --help");
  expect_failure ("p --number +5",
                  "--number needs -1 to 7 seconds, not +5; see --help");
  expect_failure ("p --number=\t5",
                  "--number needs -1 to 7 seconds, not ?5; see --help");
  expect_failure ("p --number 1x",
                  "--number needs -1 to 7 seconds, not 1x; see --help");
  expect_failure ("p --number 99999999999999999999",
                  "--number needs -1 to 7 seconds, not 99999999999999999999; "
                  "see --help");
  test_words ();
  return 0;
}
