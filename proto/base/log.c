/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "log.h"

static const char *log_program = "pullback";
static enum log_level log_most = LOG_LEVEL_INFO;

void
log_open (const char *program, enum log_level most)
{
  log_program = program;
  log_most = most;
}

void
log_message (enum log_level level, const char *format, ...)
{
  static const char *const words[] = { "error: ", "warning: ", "", "debug: " };
  char line[2048];
  va_list args;
  int n;

  if (level > log_most)
    return;
  n = snprintf (line, sizeof line, "%s: %s", log_program, words[level]);
  va_start (args, format);
  n += vsnprintf (line + n, sizeof line - (size_t) n, format, args);
  va_end (args);
  if (n > (int) sizeof line - 2)
    n = (int) sizeof line - 2;
  line[n++] = '\n';
  /* One write, so that lines of several threads do not mix. */
  if (write (STDERR_FILENO, line, (size_t) n) < 0)
    return;
}
