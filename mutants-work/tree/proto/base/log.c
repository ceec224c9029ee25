/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line is put together first and written at once, so that lines of several
 * threads, and of the programs that share stderr, do not mix. */
#include <config.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static const char *log_program = "pullback";
static enum log_level log_most = LOG_LEVEL_INFO;
/* stderr waits, and is asked before each line.  Set before threads start. */
static bool log_asks;
/* From the question to the write: another thread may take the last place. */
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void
log_open (const char *program, enum log_level most)
{
  log_program = program;
  log_most = most;
}

/* O_NONBLOCK belongs to the open file, which others share with us, our user's
 * shell for one.  A pipe or a terminal can be opened anew, unless it is another
 * user's; a socket cannot, and is shared by nobody but the programs of one
 * service. */
void
log_never_wait (void)
{
  int flags = fcntl (STDERR_FILENO, F_GETFL), fd;
  struct stat st;

  if (flags < 0 || fstat (STDERR_FILENO, &st) < 0)
    return;
  if (S_ISSOCK (st.st_mode))
    (void) fcntl (STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
  if (!S_ISFIFO (st.st_mode) && !S_ISCHR (st.st_mode))
    return;
  fd = open ("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  log_asks = fd < 0;
  if (fd < 0)
    return;
  (void) dup3 (fd, STDERR_FILENO, 0);
  close (fd);
}

/* A pipe that has a place takes a line of less than PIPE_BUF at once. */
static bool
has_place (void)
{
  struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

  return poll (&p, 1, 0) > 0 && (p.revents & POLLOUT) != 0;
}

static void
write_line (const char *line, size_t length)
{
  ssize_t n = 0;

  if (log_asks)
    pthread_mutex_lock (&log_lock);
  if (!log_asks || has_place ())
    n = write (STDERR_FILENO, line, length);
  if (log_asks)
    pthread_mutex_unlock (&log_lock);
  (void) n;
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
  write_line (line, (size_t) n);
}
