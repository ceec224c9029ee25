/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options and words of a program, as a table. */
#ifndef PULLBACK_COMMAND_LINE_H
#define PULLBACK_COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

#define COMMAND_LINE_MAX 24     /* options, without --help and --version */

/* Texts are borrowed from argv. */
struct command_line_texts {
  const char **items;           /* the owner's, room for argc */
  unsigned n;
};

/* One of WORD, FLAG, TEXT, TEXTS, SIZE and NUMBER says where its value goes. */
struct command_line_option {
  const char *name;             /* without "--"; NULL ends the table */
  char letter;                  /* "-v" is the same; 0: there is none */
  const char **word;            /* no option: the next word beside them, which has
                                 * to be given and is called NAME */
  bool *flag;                   /* takes no value */
  const char **text;            /* the last one counts */
  const char *needed;           /* what TEXT is, which has to be given */
  const char *implied;          /* TEXT where no value is given; one that is
                                 * follows a '=' */
  struct command_line_texts *texts;     /* may be repeated */
  uint64_t *size;               /* bytes, as in size.h, from SIZE_LEAST on */
  uint64_t size_least;
  int *number;                  /* LEAST to MOST of UNIT */
  int least, most;
  const char *unit;
};

/* Fills in what is given, of which no value may be empty, and leaves the rest alone.  1: --help (-h) or
 * --version (-V) was asked for, and is printed.  -EINVAL: WHY says what is
 * wrong.  Threads: only main (). */
int command_line_parse (int argc, char **argv, const char *program, const char *help,
                        const struct command_line_option *options,
                        struct failure *why) WARN_UNUSED;

#endif
