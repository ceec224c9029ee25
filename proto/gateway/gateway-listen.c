/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway-listen.h"
#include "gateway-listen-tcp.h"
#include "log.h"

#define BACKLOG 256             /* clients wait there for a place */
#define FIRST_INHERITED_FD 3
#define INHERITED_MAX 64

int
listeners_add (struct listeners *listeners, int fd, const char *path,
               struct failure *why)
{
  struct listener *items = realloc (listeners->items,
                                    (listeners->count + 1) * sizeof *items);
  struct listener added = { .fd = fd };
  struct stat st;

  if (items != NULL)
    listeners->items = items;
  if (items != NULL && path != NULL) {
    added.path = strdup (path);
    if (added.path != NULL && lstat (path, &st) == 0) {
      added.device = st.st_dev;
      added.inode = st.st_ino;
    }
  }
  if (items == NULL || (path != NULL && added.path == NULL)) {
    close (fd);
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  }
  listeners->items[listeners->count++] = added;
  return 0;
}

/* The file at PATH is in the way.  Removes it if it is a socket on which
 * nobody listens. */
static int
remove_stale (const char *path, const struct sockaddr_un *address,
              struct failure *why)
{
  CLEANUP_FD int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
                              SOCK_NONBLOCK, 0);
  struct stat st;

  if (fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "cannot make a socket: "
                        "%s", strerror (errno));
  if (lstat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s exists and is not a "
                        "socket; choose another path", path);
  if (connect (fd, (const struct sockaddr *) address, sizeof *address) == 0 ||
      errno != ECONNREFUSED)
    return failure_set (why, FAILURE_BUSY, EADDRINUSE, "the socket %s is in "
                        "use by another server; stop it or choose another "
                        "path", path);
  if (unlink (path) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_GENERIC, errno, "cannot remove the stale "
                        "socket %s: %s", path, strerror (errno));
  return 0;
}

/* Nobody else can connect, whatever the umask and from the first moment on:
 * bind takes the file's mode from the socket. */
static int
bind_private (int fd, const struct sockaddr_un *address)
{
  if (fchmod (fd, S_IRUSR | S_IWUSR) < 0)
    return -1;
  return bind (fd, (const struct sockaddr *) address, sizeof *address);
}

int
listen_unix (struct listeners *listeners, const char *path,
             struct failure *why)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  CLEANUP_FD int fd = -1;
  int r;

  if (path[0] == '\0' || strlen (path) >= sizeof address.sun_path)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG, "the path of "
                        "a unix socket must have 1 to %zu bytes: %.200s",
                        sizeof address.sun_path - 1, path);
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return failure_set (why, FAILURE_GENERIC, errno, "cannot make a socket: "
                        "%s", strerror (errno));
  r = bind_private (fd, &address);
  if (r < 0 && errno == EADDRINUSE) {
    r = remove_stale (path, &address, why);
    if (r < 0)
      return r;
    r = bind_private (fd, &address);
  }
  if (r < 0 || listen (fd, BACKLOG) < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, errno, "cannot listen on "
                        "%s: %s", path, strerror (errno));
  log_info ("listening on %s", path);
  return listeners_add (listeners, TAKE_FD (fd), path, why);
}

static bool
is_listening_socket (int fd)
{
  int listening = 0;
  socklen_t length = sizeof listening;

  return getsockopt (fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
                     &length) == 0 && listening;
}

int
listen_inherited (struct listeners *listeners, struct failure *why)
{
  const char *pid = getenv ("LISTEN_PID"), *fds = getenv ("LISTEN_FDS");
  int fd, n, r = 0;

  if (pid == NULL || fds == NULL || strtol (pid, NULL, 10) != getpid ())
    return 0;
  n = atoi (fds);
  if (n < 1 || n > INHERITED_MAX)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "LISTEN_FDS must be 1 to %d", INHERITED_MAX);
  unsetenv ("LISTEN_PID");
  unsetenv ("LISTEN_FDS");
  unsetenv ("LISTEN_FDNAMES");
  for (fd = FIRST_INHERITED_FD; r == 0 && fd < FIRST_INHERITED_FD + n; fd++) {
    if (!is_listening_socket (fd))
      return failure_set (why, FAILURE_BAD_ARGUMENT, ENOTSOCK, "descriptor %d "
                          "of LISTEN_FDS is not a listening socket", fd);
    fcntl (fd, F_SETFD, FD_CLOEXEC);
    r = listeners_add (listeners, fd, NULL, why);
  }
  return r;
}

static void
remove_socket (const struct listener *listener)
{
  struct stat st;

  if (lstat (listener->path, &st) == 0 && st.st_dev == listener->device &&
      st.st_ino == listener->inode)
    unlink (listener->path);
}

void
listeners_close (struct listeners *listeners)
{
  size_t i;

  for (i = 0; i < listeners->count; i++) {
    if (listeners->items[i].path != NULL)
      remove_socket (&listeners->items[i]);
    close (listeners->items[i].fd);
    free (listeners->items[i].path);
  }
  free (listeners->items);
  *listeners = (struct listeners) { 0 };
}
