/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pid in a file may be another process's by the time it is read, so the pidfd
 * is opened first and then it is seen whose it is: by the start time that was
 * recorded, and by arguments that no other process has.  These alone find it
 * where the daemon died between the start and the record.  The executable is
 * not compared: a child may exec, and after an upgrade goes on with the old
 * one. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "full-io.h"
#include "proc-start.h"
#include "process-leftover.h"
#include "process-record.h"

/* Of one length always: a write that is cut short by our death leaves the old
 * line or the new one. */
#define LINE_FORMAT "%10d %23s %10u\n"
#define LINE_LENGTH 46
/* What an exec is given on a busy machine. */
#define EXEC_MS 2000

int
process_record_write (const char *path, pid_t pid, unsigned restarts)
{
  char line[LINE_LENGTH + 1], start[PROC_START_SIZE] = "0";
  CLEANUP_FD int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                            0600);

  if (fd < 0)
    return -errno;
  /* One that has exited already is not to be found. */
  if (pid != 0 && !proc_start_time (pid, start))
    snprintf (start, sizeof start, "gone");
  snprintf (line, sizeof line, LINE_FORMAT, (int) pid, start, restarts);
  return full_pwrite (fd, line, LINE_LENGTH, 0);
}

static bool
read_record (const char *path, pid_t *pid, char start[PROC_START_SIZE],
             unsigned *restarts)
{
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  char line[LINE_LENGTH + 1] = "";
  int number;

  if (fd < 0 || read (fd, line, LINE_LENGTH) != LINE_LENGTH ||
      sscanf (line, "%d %23s %u", &number, start, restarts) != 3)
    return false;
  *pid = (pid_t) number;
  return true;
}

static bool
has_marks (pid_t pid, const char *const *marks)
{
  for (; *marks != NULL; marks++)
    if (!process_leftover_has_argument (pid, *marks))
      return false;
  return true;
}

/* Amid exec: its parent goes on before the kernel shows the new arguments. */
static bool
is_starting (pid_t pid, int pidfd)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", (int) pid);
  g_autofree char *line = NULL;
  gsize length = 0;

  return g_file_get_contents (path, &line, &length, NULL) && length == 0 &&
         poll (&(struct pollfd) { .fd = pidfd, .events = POLLIN }, 1, 0) == 0;
}

static bool
comes_to_have_marks (pid_t pid, int pidfd, const char *const *marks)
{
  int64_t deadline = now_ms () + EXEC_MS;

  while (is_starting (pid, pidfd) && ms_left (deadline) > 0)
    poll (NULL, 0, 1);
  return has_marks (pid, marks);
}

/* The look comes after the pidfd: from then on the number is nobody else's. */
static int
take (pid_t pid, const char *start, const char *const *marks,
      struct process *process)
{
  char now[PROC_START_SIZE];
  CLEANUP_FD int pidfd = pidfd_open (pid, 0);

  if (pidfd < 0 || !proc_start_time (pid, now) ||
      (start != NULL && strcmp (now, start) != 0) ||
      !(start == NULL ? has_marks (pid, marks)
        : comes_to_have_marks (pid, pidfd, marks)))
    return -ESRCH;
  *process = (struct process) { .pid = pid, .pidfd = TAKE_FD (pidfd) };
  return 0;
}

static bool
is_ours (const char *name)
{
  g_autofree char *path = g_build_filename ("/proc", name, NULL);
  struct stat st;

  return strspn (name, "0123456789") == strlen (name) &&
         stat (path, &st) == 0 && st.st_uid == geteuid ();
}

static int
search (const char *const *marks, struct process *process)
{
  DIR *proc = opendir ("/proc");
  struct dirent *entry;
  int r = -ESRCH;

  while (proc != NULL && r < 0 && (entry = readdir (proc)) != NULL)
    if (is_ours (entry->d_name) && atol (entry->d_name) != getpid ())
      r = take ((pid_t) atol (entry->d_name), NULL, marks, process);
  if (proc != NULL)
    closedir (proc);
  return r;
}

int
process_record_find (const char *path, const char *const *marks,
                     struct process *process, unsigned *restarts)
{
  char start[PROC_START_SIZE];
  pid_t pid = 0;

  *restarts = 0;
  if (read_record (path, &pid, start, restarts) && pid > 0 &&
      take (pid, start, marks, process) == 0)
    return 0;
  return search (marks, process);
}
