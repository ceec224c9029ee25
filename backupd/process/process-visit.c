/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File system rights and the working folder are a thread's own in Linux, if it wants: so a
 * thread is made that goes there and does not come back. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>

#include "process-label.h"
#include "process-visit.h"
#include "socket.h"

struct visit {
  const struct process_place *place;
  int (*act) (struct visit *visit);
  int fd;
  struct failure why;
};

const char *
process_visit_name (const char *path)
{
  const char *slash = strrchr (path, '/');

  return slash == NULL ? path : slash + 1;
}

/* Of this thread alone: the C library's setgroups is that of the process. */
static int
give_up_rights (const struct process_place *place)
{
  if (geteuid () != 0)
    return 0;
  if (syscall (SYS_setgroups, 0, NULL) < 0)
    return -errno;
  (void) setfsgid (place->gid);
  (void) setfsuid (place->uid);
  /* They tell no error, but what was before. */
  return (gid_t) setfsgid (place->gid) == place->gid &&
         (uid_t) setfsuid (place->uid) == place->uid ? 0 : -EPERM;
}

static int
look_at_folder (const struct process_place *place, const char *folder, int fd,
                struct failure *why)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return -errno;
  if ((st.st_uid == place->uid || st.st_uid == 0) &&
      (st.st_mode & S_IWOTH) == 0 &&
      ((st.st_mode & S_IWGRP) == 0 || st.st_gid == place->gid))
    return 0;
  return failure_set (why, FAILURE_STORAGE, EACCES, "the folder %s cannot have "
                      "a socket for QEMU: it is user %u's with mode %04o, and "
                      "nobody but QEMU's user, %u, may write to it", folder,
                      (unsigned) st.st_uid, (unsigned) st.st_mode & 07777,
                      (unsigned) place->uid);
}

/* To remove something no folder is too bad. */
static int
enter_folder (const struct process_place *place, bool look,
              struct failure *why)
{
  g_autofree char *folder = g_path_get_dirname (place->socket);
  CLEANUP_FD int fd = open (folder, O_PATH | O_DIRECTORY | O_NOFOLLOW |
                            O_CLOEXEC);
  int r = fd < 0 ? -errno : look ? look_at_folder (place, folder, fd, why) : 0;

  if (r == 0 && (unshare (CLONE_FS) < 0 || fchdir (fd) < 0))
    r = -errno;
  return r;
}

static int
listen_here (struct visit *visit)
{
  const char *name = process_visit_name (visit->place->socket);

  if (unlink (name) < 0 && errno != ENOENT)
    return -errno;
  return socket_listen_unix_on (visit->fd, name);
}

static gpointer
visit_run (gpointer opaque)
{
  struct visit *visit = opaque;
  int r = 0;

  /* The socket itself is ours, which tells it from any that has its name. */
  process_label_sockets (visit->place->label);
  if (visit->act == listen_here)
    r = socket_make_unix (&visit->fd);
  if (r == 0)
    r = give_up_rights (visit->place);
  if (r == 0)
    r = enter_folder (visit->place, visit->act == listen_here, &visit->why);
  return GINT_TO_POINTER (r < 0 ? r : visit->act (visit));
}

static int
visit_make (struct visit *visit)
{
  GThread *thread = g_thread_try_new ("visit", visit_run, visit, NULL);

  return thread == NULL ? -EAGAIN : GPOINTER_TO_INT (g_thread_join (thread));
}

int
process_visit_listen (const struct process_place *place, int *fd,
                      struct failure *why)
{
  struct visit visit = { .place = place, .act = listen_here, .fd = -1 };
  int r;

  /* Whoever connects needs the whole path. */
  if (strlen (place->socket) > SOCKET_PATH_MAX)
    return socket_path_failure ("a socket for QEMU", place->socket, why);
  r = visit_make (&visit);
  if (r < 0 && visit.fd >= 0)
    close (visit.fd);
  if (r == 0)
    *fd = visit.fd;
  else if (visit.why.error != 0)
    failure_set (why, visit.why.class, -r, "%s", visit.why.text);
  else
    failure_set (why, FAILURE_STORAGE, -r, "cannot listen on the socket %s "
                 "with the rights of QEMU's user, %u: %s", place->socket,
                 (unsigned) place->uid, g_strerror (-r));
  return r;
}

static int
remove_here (struct visit *visit)
{
  return unlink (process_visit_name (visit->place->socket)) < 0 ? -errno : 0;
}

int
process_visit_remove (const struct process_place *place)
{
  struct visit visit = { .place = place, .act = remove_here, .fd = -1 };

  return visit_make (&visit);
}
