/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All of this is of the whole process, and the earlier the better: a descriptor that
 * is opened while 2 is closed becomes standard error, a thread that has begun has an
 * arena. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "log.h"
#include "process-self.h"

/* A running backup needs about a dozen; this is for some 300 at once. */
#define DESCRIPTORS_WANTED 4096
/* Each thread would have an arena of its own, and each keeps what it had. */
#define ARENAS 2

static int
fill_standard_descriptors (struct failure *why)
{
  int fd;

  do {
    fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0)
      return failure_set (why, FAILURE_GENERIC, errno,
                          "cannot open /dev/null: %s", strerror (errno));
  } while (fd <= STDERR_FILENO);
  close (fd);
  return 0;
}

static void
raise_descriptors (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) < 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit (RLIMIT_NOFILE, &limit) < 0)
    log_warning ("cannot raise the number of open files to %llu: %s",
                 (unsigned long long) limit.rlim_max, strerror (errno));
  if (limit.rlim_max < DESCRIPTORS_WANTED)
    log_warning ("only %llu files may be open at once, which is enough for some "
                 "%llu backups at the same time: raise the hard limit "
                 "(LimitNOFILE= of the service, or ulimit -Hn) to %d or more",
                 (unsigned long long) limit.rlim_max,
                 (unsigned long long) limit.rlim_max / 14, DESCRIPTORS_WANTED);
}

static void
set_oom_score (void)
{
  char text[16] = "";
  CLEANUP_FD int fd = open ("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

  if (fd < 0 || read (fd, text, sizeof text - 1) <= 0 || atoi (text) < 0 ||
      atoi (text) >= atoi (PROCESS_OOM_DAEMON))
    return;
  if (pwrite (fd, PROCESS_OOM_DAEMON, strlen (PROCESS_OOM_DAEMON), 0) < 0)
    log_debug ("cannot set oom_score_adj: %s", strerror (errno));
}

int
process_self_prepare (struct failure *why)
{
  int r = fill_standard_descriptors (why);

  if (r < 0)
    return r;
  raise_descriptors ();
  set_oom_score ();
  (void) mallopt (M_ARENA_MAX, ARENAS);
  return 0;
}

void
process_self_trim (void)
{
  (void) malloc_trim (0);
}

char *
process_self_program (const char *name, const char *folder)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *beside = self == NULL ? NULL : g_path_get_dirname (self);
  const char *folders[2] = { beside, folder };
  size_t i;

  for (i = 0; i < 2; i++) {
    g_autofree char *path = folders[i] == NULL ? NULL
                            : g_build_filename (folders[i], name, NULL);

    if (path != NULL && access (path, X_OK) == 0)
      return TAKE_PTR (path);
  }
  return g_find_program_in_path (name);
}
