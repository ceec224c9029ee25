/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Removing a file of a frozen file system waits, beyond the reach of any signal,
 * until it is thawed.  In a thread of ours that would keep the daemon from
 * ending, and with it the lock on the state folder; so rm (1) does it.  A remover
 * has "SCRATCH/./NAME.data" as one whole argument, by which it is found. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "child.h"
#include "deadline.h"
#include "full-io.h"
#include "store-files.h"

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

int
store_files_remove (const char *scratch, const char *name, int64_t deadline,
                    struct failure *why)
{
  g_autofree char *data = remover_argument (scratch, name);
  g_autofree char *stem = g_strdup_printf ("%s/./%s", scratch, name);
  const char *argv[] = { "/bin/sh", "-c",
                         "exec rm -f -- \"$1\" \"$2\"@*.dirty",
                         "pullback-remove", data, stem, NULL };
  g_autoptr (GError) error = NULL;
  char said[256] = "";
  CLEANUP_FD int fd = -1;
  int r;

  /* Without a flag to keep it, GLib makes it a child of init. */
  if (!g_spawn_async_with_pipes (NULL, (char **) argv, NULL,
                                 G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL,
                                 NULL, NULL, &fd, &error))
    return failure_set (why, FAILURE_GENERIC, EIO, "cannot run rm: %s",
                        error->message);
  r = wait_for_end (fd, deadline, said, sizeof said);
  if (r == -ETIMEDOUT)
    failure_set (why, FAILURE_STORAGE, ETIMEDOUT, "the storage of %s does not "
                 "answer", scratch);
  else if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "%s", said[0] != '\0' ? said
                                                 : g_strerror (-r));
  return r;
}

void
store_files_end_removers (const char *scratch, const char *name)
{
  g_autofree char *data = remover_argument (scratch, name);

  child_kill_by_argument (data);
}
