/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A thread of its own, as the file's storage may be full or hang, which is nothing
 * to a backup.  It is not synced: after a crash of the machine it would be wrong
 * anyway. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <glib.h>

#include "log.h"
#include "metrics-file.h"
#include "metrics.h"

#define EVERY_S 15
/* Between two that follow events. */
#define PAUSE_MS 500
#define STOP_S 2

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the rest */
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static bool runs, stopping, changed;

/* Of start and stop, and constant between them. */
static pthread_t thread;
static struct domain_registry *registry;
static char *path, *new_path;

static int
write_all (int fd, const char *text)
{
  size_t length = strlen (text);

  while (length > 0) {
    ssize_t n = write (fd, text, length);

    if (n < 0)
      return -errno;
    text += n;
    length -= (size_t) n;
  }
  return fchmod (fd, 0644) < 0 ? -errno : 0;
}

/* What is at NEW_PATH may be a link that somebody has put there. */
static int
replace (const char *text)
{
  int fd, r;

  (void) unlink (new_path);
  fd = open (new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return -errno;
  r = write_all (fd, text);
  if (close (fd) < 0 && r == 0)
    r = -errno;
  if (r == 0 && rename (new_path, path) < 0)
    r = -errno;
  if (r < 0)
    (void) unlink (new_path);
  return r;
}

/* Says it once, until it works again. */
static void
update (int *last)
{
  g_autofree char *text = metrics_format (registry);
  int r = replace (text);

  if (r < 0 && r != *last)
    log_warning ("cannot write the metrics file %s: %s; it stays as it was",
                 path, g_strerror (-r));
  else if (r == 0 && *last < 0)
    log_info ("the metrics file %s is written again", path);
  *last = r;
}

/* False: it is time to stop. */
static bool
wait_for_change (void)
{
  struct timespec until;
  bool go_on;

  g_usleep (PAUSE_MS * 1000);
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += EVERY_S;
  pthread_mutex_lock (&lock);
  while (!changed && !stopping &&
         pthread_cond_timedwait (&wake, &lock, &until) != ETIMEDOUT)
    ;
  changed = false;
  go_on = !stopping;
  pthread_mutex_unlock (&lock);
  return go_on;
}

static void *
file_main (void *opaque)
{
  int last = 0;

  do
    update (&last);
  while (wait_for_change ());
  (void) unlink (path);
  return NULL;
}

int
metrics_file_start (const char *at, struct domain_registry *of,
                    struct failure *why)
{
  int r;

  registry = of;
  path = g_strdup (at);
  new_path = g_strconcat (at, ".new", NULL);
  r = pthread_create (&thread, NULL, file_main, NULL);
  if (r != 0)
    return failure_set (why, FAILURE_GENERIC, r,
                        "cannot start a thread for the metrics file: %s",
                        g_strerror (r));
  pthread_mutex_lock (&lock);
  runs = true;
  pthread_mutex_unlock (&lock);
  return 0;
}

void
metrics_file_changed (void)
{
  pthread_mutex_lock (&lock);
  changed = true;
  pthread_cond_signal (&wake);
  pthread_mutex_unlock (&lock);
}

void
metrics_file_stop (void)
{
  struct timespec until;

  pthread_mutex_lock (&lock);
  stopping = true;
  pthread_cond_signal (&wake);
  pthread_mutex_unlock (&lock);
  if (!runs)                    /* nobody else changes that */
    return;
  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_sec += STOP_S;
  if (pthread_timedjoin_np (thread, NULL, &until) != 0) {
    log_warning ("the metrics file %s hangs and is left behind", path);
    return;
  }
  g_free (path);
  g_free (new_path);
}
