/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds children of a daemon that died, by an argument only they can have. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "log.h"
#include "process-leftover.h"

#define KILL_TIMEOUT_MS 5000
/* What a command line is shorter than, nearly always. */
#define LINE_ROOM 4096

static bool
is_in (const char *line, size_t n, const char *const *arguments)
{
  for (const char *p = line; p < line + n; p += strlen (p) + 1)
    if (g_strv_contains (arguments, p))
      return true;
  return false;
}

/* All processes are looked at: few system calls for each. */
static bool
has_any (pid_t pid, const char *const *arguments)
{
  char path[32], line[LINE_ROOM + 1];
  g_autofree char *text = NULL;
  CLEANUP_FD int fd = -1;
  gsize length = 0;
  ssize_t n;

  snprintf (path, sizeof path, "/proc/%d/cmdline", (int) pid);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = fd < 0 ? -1 : read (fd, line, LINE_ROOM);
  if (n <= 0)
    return false;
  line[n] = '\0';
  if (n < LINE_ROOM)
    return is_in (line, (size_t) n, arguments);
  /* It ends with a NUL, and one more that GLib adds. */
  return g_file_get_contents (path, &text, &length, NULL) &&
         is_in (text, length, arguments);
}

bool
process_leftover_has_argument (pid_t pid, const char *argument)
{
  const char *const arguments[] = { argument, NULL };

  return has_any (pid, arguments);
}

/* Others' processes are not looked into: one that hangs may hang who looks. */
static bool
is_leftover (pid_t pid, const char *const *arguments)
{
  char path[32];
  struct stat st;

  snprintf (path, sizeof path, "/proc/%d", (int) pid);
  return stat (path, &st) == 0 && st.st_uid == geteuid () &&
         has_any (pid, arguments);
}

/* Its pidfd, if it is one; else -1.  That is opened before the last look, so it is this
 * process we signal. */
static int
open_if_match (const char *pid_text, const char *const *arguments)
{
  pid_t pid = (pid_t) atol (pid_text);
  CLEANUP_FD int pidfd = -1;

  if (pid == getpid () || !is_leftover (pid, arguments))
    return -1;
  pidfd = pidfd_open (pid, 0);
  return pidfd >= 0 && is_leftover (pid, arguments) ? TAKE_FD (pidfd) : -1;
}

/* Has it ended within WAIT_MS? */
static bool
kill_one (int pidfd, int wait_ms)
{
  return pidfd_send_signal (pidfd, SIGKILL, NULL, 0) < 0 ||
         poll (&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1,
               wait_ms) > 0;
}

static void
kill_if_match (const char *pid_text, const char *const *arguments)
{
  CLEANUP_FD int pidfd = open_if_match (pid_text, arguments);

  if (pidfd < 0)
    return;
  log_info ("ending process %s, left over by a daemon that died", pid_text);
  (void) kill_one (pidfd, KILL_TIMEOUT_MS);
}

void
process_leftover_kill_any (const char *const *arguments)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;

  if (proc == NULL)
    return;
  while ((entry = readdir (proc)) != NULL)
    if (strspn (entry->d_name, "0123456789") == strlen (entry->d_name))
      kill_if_match (entry->d_name, arguments);
  closedir (proc);
}

void
process_leftover_kill (const char *argument)
{
  const char *const arguments[] = { argument, NULL };

  process_leftover_kill_any (arguments);
}

pid_t
process_leftover_end (const char *argument, int wait_ms)
{
  const char *const arguments[] = { argument, NULL };
  DIR *proc = opendir ("/proc");
  struct dirent *entry;
  pid_t left = 0;

  while (proc != NULL && left == 0 && (entry = readdir (proc)) != NULL) {
    CLEANUP_FD int pidfd =
      strspn (entry->d_name, "0123456789") == strlen (entry->d_name)
      ? open_if_match (entry->d_name, arguments) : -1;

    if (pidfd >= 0 && !kill_one (pidfd, wait_ms))
      left = (pid_t) atol (entry->d_name);
  }
  if (proc != NULL)
    closedir (proc);
  return left;
}
