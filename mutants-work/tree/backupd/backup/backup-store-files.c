/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing a file of a frozen file system waits, beyond the reach of any
 * signal, until it is thawed.  In a thread of ours that would keep the daemon
 * from ending, and with it the lock on the state folder; so rm (1) does it.  A
 * remover has "SCRATCH/./NAME.data" as one whole argument, by which it is
 * found. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "process-leftover.h"
#include "process-spawn.h"
#include "backup-store-files.h"

static char *
remover_argument (const char *scratch, const char *name)
{
  return g_strdup_printf ("%s/./%s.data", scratch, name);
}

/* Reads what the remover complains of until it ends. */
static int
wait_for_end (int fd, int64_t deadline, char *said, size_t size)
{
  size_t n = 0;

  for (;;) {
    char more[256];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    ssize_t r = poll (&p, 1, ms_left (deadline));

    if (r == 0)
      return -ETIMEDOUT;
    if (r > 0)
      r = read (fd, more, sizeof more);
    if (r < 0 && errno != EINTR)
      return -errno;
    if (r == 0)
      break;
    for (ssize_t i = 0; i < r && n < size - 1; i++)
      if (more[i] != '\n')
        said[n++] = more[i];
  }
  said[n] = '\0';
  return n == 0 ? 0 : -EIO;
}

/* *FD: what it complains of. */
static int
start_remover (char *data, char *stem, struct process *remover, int *fd)
{
  char *argv[] = { (char *) "sh", (char *) "-c",
                   (char *) "exec rm -f -- \"$1\" \"$2\"@*.dirty",
                   (char *) "pullback-remove", data, stem, NULL };
  int ends[2], r;

  if (pipe2 (ends, O_CLOEXEC) < 0)
    return -errno;
  r = process_spawn (&(struct process_spec) {
                       .program = "/bin/sh", .argv = argv,
                       .descriptors = (int[]) { PROCESS_NULL, PROCESS_NULL,
                                                ends[1] },
                       .n_descriptors = 3 }, remover);
  close (ends[1]);
  if (r < 0)
    close (ends[0]);
  else
    *fd = ends[0];
  return r;
}

int
backup_store_files_remove (const char *scratch, const char *name,
                           int64_t deadline, struct failure *why)
{
  g_autofree char *data = remover_argument (scratch, name);
  g_autofree char *stem = g_strdup_printf ("%s/./%s", scratch, name);
  struct process remover;
  char said[256] = "";
  CLEANUP_FD int fd = -1;
  int r = start_remover (data, stem, &remover, &fd);

  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "cannot run rm: %s",
                        g_strerror (-r));
  r = wait_for_end (fd, deadline, said, sizeof said);
  process_let_go (&remover);
  if (r == -ETIMEDOUT)
    failure_set (why, FAILURE_STORAGE, ETIMEDOUT, "the storage of %s does not "
                 "answer", scratch);
  else if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "%s", said[0] != '\0' ? said
                                                 : g_strerror (-r));
  return r;
}

void
backup_store_files_end_removers (const char *scratch, const char *name)
{
  g_autofree char *data = remover_argument (scratch, name);

  process_leftover_kill (data);
}
