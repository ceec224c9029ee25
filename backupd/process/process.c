/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By pidfd, whose number no other process can have meanwhile.  What is let go is
 * kept in a list, and looked at whenever a program is started or ends: a SIGCHLD
 * handler would reap what others wait for. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process.h"

/* Of a thread of PID; '\0': there is none such.  The name of the program, which is
 * before it, may have anything in it. */
static char
thread_state (pid_t pid, const char *thread)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%s/stat", (int) pid,
                                           thread);
  g_autofree char *text = NULL;
  const char *end;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return '\0';
  end = strrchr (text, ')');
  return end == NULL || end[1] == '\0' ? '\0' : end[2];
}

static char
main_thread_state (pid_t pid)
{
  char name[16];

  snprintf (name, sizeof name, "%d", (int) pid);
  return thread_state (pid, name);
}

bool
process_is_stopped (pid_t pid)
{
  char state = main_thread_state (pid);

  return state == 'T' || state == 't';
}

/* The kernel says that a process has ended when it has no other threads any more;
 * those that are traced stay until the debugger has looked. */
bool
process_is_dead (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", (int) pid);
  const char *name;
  bool dead = main_thread_state (pid) == 'Z';
  GDir *threads = dead ? g_dir_open (path, 0, NULL) : NULL;

  if (threads == NULL)
    return false;
  /* One that has gone meanwhile has no state, which strchr finds, too. */
  while (dead && (name = g_dir_read_name (threads)) != NULL)
    dead = strchr ("ZX", thread_state (pid, name)) != NULL;
  g_dir_close (threads);
  return dead;
}

/* waitid does not show a child that another process traces, and without WNOHANG
 * would wait for that: a debugger may never look. */
static int
reap (struct process *process, struct process_end *end)
{
  siginfo_t info = { .si_pid = 0 };
  int r = waitid (P_PIDFD, (id_t) process->pidfd, &info,
                  WEXITED | WNOHANG) < 0 ? -errno : 0;

  if (r == 0 && info.si_pid == 0)
    return -EAGAIN;
  if (end != NULL)
    end->unknown = r == -ECHILD;
  if (r == -ECHILD)
    r = 0;
  else if (r == 0 && end != NULL) {
    end->by_signal = info.si_code != CLD_EXITED;
    end->number = info.si_status;
  }
  close (process->pidfd);
  *process = (struct process) { .pid = 0, .pidfd = -1 };
  return r;
}

/* -ETIMEDOUT: it runs; -EAGAIN: it has ended and cannot be reaped yet. */
static int
wait_and_reap (struct process *process, int64_t deadline,
               struct process_end *end)
{
  struct pollfd polled = { .fd = process->pidfd, .events = POLLIN };
  int r;

  do
    r = poll (&polled, 1, ms_left (deadline));
  while (r < 0 && errno == EINTR);
  if (r < 0)
    return -errno;
  return r > 0 || process_is_dead (process->pid) ? reap (process, end)
                                                 : -ETIMEDOUT;
}

int
process_wait (struct process *process, int64_t deadline,
              struct process_end *end)
{
  int r = wait_and_reap (process, deadline, end);

  if (r != -EAGAIN)
    return r;
  if (end != NULL)
    end->unknown = true;
  process_let_go (process);
  return 0;
}

static pthread_mutex_t let_go_lock = PTHREAD_MUTEX_INITIALIZER;
static GArray *let_go;          /* struct process; protected by the lock */

void
process_let_go (struct process *process)
{
  pthread_mutex_lock (&let_go_lock);
  if (let_go == NULL)
    let_go = g_array_new (FALSE, FALSE, sizeof *process);
  g_array_append_val (let_go, *process);
  pthread_mutex_unlock (&let_go_lock);
  *process = (struct process) { .pid = 0, .pidfd = -1 };
  process_reap ();
}

void
process_reap (void)
{
  guint i;

  pthread_mutex_lock (&let_go_lock);
  for (i = let_go == NULL ? 0 : let_go->len; i-- > 0;) {
    int r = wait_and_reap (&g_array_index (let_go, struct process, i), 0, NULL);

    if (r != -ETIMEDOUT && r != -EAGAIN)
      g_array_remove_index_fast (let_go, i);
  }
  if (let_go != NULL && let_go->len == 0)
    g_clear_pointer (&let_go, g_array_unref);
  pthread_mutex_unlock (&let_go_lock);
}
