/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The gateway moves data without us, so that it must tell: by a file's time,
 * which costs it one system call a second, and which it can do whatever the
 * daemon does. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-expiry.h"
#include "deadline.h"
#include "log.h"

/* The file's modification time in nanoseconds; 0: it has none.  Only that it
 * changes matters, so that the system clock may jump. */
static int64_t
activity_time (const struct backup *backup)
{
  struct stat st;

  if (lstat (backup->expiry.activity, &st) < 0)
    return 0;
  return (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

int
backup_expiry_create_file (struct backup *backup, struct failure *why)
{
  int fd;

  /* What it says of the time before counts. */
  if (backup->adopting && activity_time (backup) != 0)
    return 0;
  /* What is there can only be a leftover of ours. */
  unlink (backup->expiry.activity);
  fd = open (backup->expiry.activity,
             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot create %s: %s",
                        backup->expiry.activity, g_strerror (errno));
  close (fd);
  return 0;
}

void
backup_expiry_start (struct backup *backup)
{
  backup->expiry.ready_ms = backup->expiry.active_ms = now_ms ();
  backup->expiry.activity_ns = activity_time (backup);
}

/* The file's time is of the other clock, which may have jumped: what cannot be is not
 * believed. */
void
backup_expiry_resume (struct backup *backup)
{
  int64_t now = now_ms (), ago;

  backup->expiry.activity_ns = activity_time (backup);
  ago = g_get_real_time () / 1000 - backup->expiry.activity_ns / 1000000;
  backup->expiry.ready_ms = MIN (backup->expiry.ready_ms, now);
  backup->expiry.active_ms =
    CLAMP (now - ago, backup->expiry.ready_ms, now);
}

/* Noted where the next daemon looks, too. */
void
backup_keepalive (struct backup *backup)
{
  backup->expiry.active_ms = now_ms ();
  if (utimensat (AT_FDCWD, backup->expiry.activity, NULL,
                 AT_SYMLINK_NOFOLLOW) == 0)
    backup->expiry.activity_ns = activity_time (backup);
}

/* Milliseconds until SECONDS (not 0) after SINCE_MS, at least 0. */
static int64_t
time_left (int64_t since_ms, int64_t seconds)
{
  int64_t left = since_ms + seconds * 1000 - now_ms ();

  return left < 0 ? 0 : left;
}

bool
backup_expiry_look (struct backup *backup)
{
  int64_t activity = activity_time (backup);
  int64_t ttl = backup->options.ttl, idle = backup->options.idle_timeout;

  if (activity != backup->expiry.activity_ns) {
    backup->expiry.activity_ns = activity;
    backup->expiry.active_ms = now_ms ();
  }
  if (backup->expiry.reason != NULL)
    return true;
  if (ttl > 0 && time_left (backup->expiry.ready_ms, ttl) == 0)
    backup->expiry.reason =
      g_strdup_printf ("its TTL of %" PRIi64 " s ran out", ttl);
  else if (idle > 0 && time_left (backup->expiry.active_ms, idle) == 0)
    backup->expiry.reason =
      g_strdup_printf ("no client was active for %" PRIi64 " s", idle);
  if (backup->expiry.reason == NULL)
    return false;
  log_warning ("the backup of %s has expired: %s", backup->options.domain,
               backup->expiry.reason);
  return true;
}

static void
add_left (json_object *info, const char *key, int64_t since_ms,
          int64_t seconds)
{
  json_object_object_add (info, key, seconds == 0 ? NULL
    : json_object_new_int64 ((time_left (since_ms, seconds) + 999) / 1000));
}

void
backup_expiry_info (const struct backup *backup, json_object *info)
{
  add_left (info, "ttl-left", backup->expiry.ready_ms, backup->options.ttl);
  add_left (info, "idle-left", backup->expiry.active_ms,
            backup->options.idle_timeout);
}
