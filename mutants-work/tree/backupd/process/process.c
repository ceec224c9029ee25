/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* By pidfd, whose number no other process can have meanwhile.  What is let go is
 * kept in a list, and looked at whenever a program is started or ends: a SIGCHLD
 * handler would reap what others wait for. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process.h"

int
process_wait (struct process *process, int64_t deadline,
              struct process_end *end)
{
  struct pollfd polled = { .fd = process->pidfd, .events = POLLIN };
  siginfo_t info = { 0 };
  int r;

  do
    r = poll (&polled, 1, ms_left (deadline));
  while (r < 0 && errno == EINTR);
  if (r <= 0)
    return r == 0 ? -ETIMEDOUT : -errno;
  r = waitid (P_PIDFD, (id_t) process->pidfd, &info, WEXITED) < 0 ? -errno : 0;
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

/* The name of the program, before the state, may have anything in it. */
bool
process_is_stopped (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  const char *end;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return false;
  end = strrchr (text, ')');
  return end != NULL && (strncmp (end, ") T", 3) == 0 ||
                         strncmp (end, ") t", 3) == 0);
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
  for (i = let_go == NULL ? 0 : let_go->len; i-- > 0;)
    if (process_wait (&g_array_index (let_go, struct process, i), 0,
                      NULL) != -ETIMEDOUT)
      g_array_remove_index_fast (let_go, i);
  if (let_go != NULL && let_go->len == 0)
    g_clear_pointer (&let_go, g_array_unref);
  pthread_mutex_unlock (&let_go_lock);
}
