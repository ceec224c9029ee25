/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lock rather than a pid file: the kernel lets go of it however the run
 * ends, and the daemon that it started holds it too.  What another user put
 * into the folder is not believed. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "cli-leftover.h"

#define GROUP "run"

int
cli_leftover_lock (struct cli_private *run, struct failure *why)
{
  g_autofree char *new = g_build_filename (run->runtime, "lock.new", NULL);
  g_autofree char *path = g_build_filename (run->runtime, "lock", NULL);

  /* Nobody else sees it before it is locked. */
  run->lock_fd = open (new, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (run->lock_fd >= 0 && flock (run->lock_fd, LOCK_EX | LOCK_NB) == 0 &&
      rename (new, path) == 0)
    return 0;
  return failure_set (why, FAILURE_STORAGE, errno, "cannot make %s: %s", path,
                      g_strerror (errno));
}

static void
note_path (GKeyFile *file, const char *key, const char *path)
{
  if (path != NULL)
    g_key_file_set_string (file, GROUP, key, path);
}

int
cli_leftover_note (const struct cli_private *run, struct failure *why)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) fault = NULL;
  g_autofree char *path = g_build_filename (run->runtime, "folders", NULL);

  note_path (file, "state", run->state);
  note_path (file, "work", run->work);
  note_path (file, "scratch", run->scratch);
  if (g_key_file_save_to_file (file, path, &fault))
    return 0;
  return failure_set (why, FAILURE_STORAGE, EIO, "cannot write %s: %s", path,
                      fault->message);
}

/* Others must not make us remove something. */
static bool
is_ours (const char *path)
{
  struct stat st;

  return lstat (path, &st) == 0 && S_ISDIR (st.st_mode) &&
         st.st_uid == geteuid () && (st.st_mode & 022) == 0;
}

bool
cli_leftover_take (const char *runtime, struct cli_private *run)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *lock = g_build_filename (runtime, "lock", NULL);
  g_autofree char *path = g_build_filename (runtime, "folders", NULL);
  CLEANUP_FD int fd = -1;

  if (!is_ours (runtime))
    return false;
  fd = open (lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || flock (fd, LOCK_EX | LOCK_NB) < 0)
    return false;
  *run = (struct cli_private) { .lock_fd = TAKE_FD (fd),
                                .runtime = g_strdup (runtime) };
  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL)) {
    run->state = g_key_file_get_string (file, GROUP, "state", NULL);
    run->work = g_key_file_get_string (file, GROUP, "work", NULL);
    run->scratch = g_key_file_get_string (file, GROUP, "scratch", NULL);
    run->used = run->state != NULL;
  }
  return true;
}
