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

bool
process_leftover_has_argument (pid_t pid, const char *argument)
{
  char text[16384];
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", (int) pid);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read (fd, text, sizeof text - 1);
  const char *p;

  if (n <= 0)
    return false;
  text[n] = '\0';
  for (p = text; p < text + n; p += strlen (p) + 1)
    if (strcmp (p, argument) == 0)
      return true;
  return false;
}

static void
kill_if_match (const char *pid_text, const char *argument)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s", pid_text);
  pid_t pid = (pid_t) atol (pid_text);
  /* The pidfd is opened before the look, so it is this process we signal. */
  CLEANUP_FD int pidfd = pidfd_open (pid, 0);
  struct stat st;

  if (pidfd < 0 || stat (path, &st) < 0 || st.st_uid != geteuid () ||
      pid == getpid () || !process_leftover_has_argument (pid, argument))
    return;
  log_info ("ending process %d, left over by a daemon that died", (int) pid);
  if (pidfd_send_signal (pidfd, SIGKILL, NULL, 0) == 0)
    poll (&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1,
          KILL_TIMEOUT_MS);
}

void
process_leftover_kill (const char *argument)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;

  if (proc == NULL)
    return;
  while ((entry = readdir (proc)) != NULL)
    if (strspn (entry->d_name, "0123456789") == strlen (entry->d_name))
      kill_if_match (entry->d_name, argument);
  closedir (proc);
}
