/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets that the daemon holds for its children. */
#include <config.h>

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>

#include "process-listen.h"
#include "log.h"

#define BACKLOG 256             /* clients wait there for a place */

static int
unix_address (const char *path, struct sockaddr_un *address,
              struct failure *why)
{
  memset (address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (strlen (path) >= sizeof address->sun_path)
    return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG,
                        "the socket path %s is longer than the %zu bytes a "
                        "unix socket can have: use a shorter --runtime-dir",
                        path, sizeof address->sun_path - 1);
  strcpy (address->sun_path, path);
  return 0;
}

/* Only a socket may be replaced: whoever has a file there wants to keep it. */
static int
clear_path (const char *path, struct failure *why)
{
  struct stat st;

  if (lstat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return failure_set (why, FAILURE_EXISTS, EEXIST, "cannot listen on the "
                        "socket %s: there is a file in its place, which is "
                        "not a socket; move it away", path);
  if (unlink (path) < 0 && errno != ENOENT)
    return failure_set (why, FAILURE_STORAGE, errno, "cannot replace the old "
                        "socket %s: %s", path, g_strerror (errno));
  return 0;
}

int
process_listen_unix (const char *path, uid_t uid, gid_t gid, int *ret,
                   struct failure *why)
{
  struct sockaddr_un address;
  CLEANUP_FD int fd = -1;
  int r = unix_address (path, &address, why);

  if (r == 0)
    r = clear_path (path, why);
  if (r < 0)
    return r;
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    goto failed;
  /* The mode before there is a path; of a link in its place, the link. */
  if (fchmod (fd, 0600) < 0 ||
      bind (fd, (struct sockaddr *) &address, sizeof address) < 0 ||
      (geteuid () == 0 && lchown (path, uid, gid) < 0) ||
      listen (fd, BACKLOG) < 0)
    goto failed;
  *ret = TAKE_FD (fd);
  return 0;

failed:
  r = errno;
  return failure_set (why, FAILURE_STORAGE, r, "cannot listen on the socket "
                      "%s: %s", path, g_strerror (r));
}

/* Splits "[ADDRESS:]PORT"; ADDRESS may be in brackets. */
static int
split_tcp (const char *where, char **address, char **port,
           struct failure *why)
{
  const char *colon = strrchr (where, ':');

  *port = g_strdup (colon != NULL ? colon + 1 : where);
  if (colon == NULL)
    *address = g_strdup ("127.0.0.1");
  else if (where[0] == '[' && colon > where + 1 && colon[-1] == ']')
    *address = g_strndup (where + 1, (gsize) (colon - where - 2));
  else
    *address = g_strndup (where, (gsize) (colon - where));
  if ((*port)[0] == '\0' || strspn (*port, "0123456789") != strlen (*port) ||
      strlen (*port) > 5 || atoi (*port) > 65535 || (*address)[0] == '\0')
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL,
                        "'%s' is not [ADDRESS:]PORT with a port from 0 to "
                        "65535", where);
  return 0;
}

static bool
is_loopback (const struct sockaddr *address)
{
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *in = (const void *) address;

    return (ntohl (in->sin_addr.s_addr) >> 24) == 127;
  }
  return IN6_IS_ADDR_LOOPBACK (&((const struct sockaddr_in6 *)
                                 (const void *) address)->sin6_addr);
}

static int
listen_address (const struct addrinfo *info, int *ret)
{
  CLEANUP_FD int fd = socket (info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;

  if (fd < 0 ||
      setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind (fd, info->ai_addr, info->ai_addrlen) < 0 ||
      listen (fd, BACKLOG) < 0)
    return -errno;
  *ret = TAKE_FD (fd);
  return 0;
}

int
process_listen_tcp (const char *where, int *fd, struct failure *why)
{
  g_autofree char *address = NULL;
  g_autofree char *port = NULL;
  const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
  struct addrinfo *info = NULL;
  int r = split_tcp (where, &address, &port, why);

  if (r < 0)
    return r;
  r = getaddrinfo (address, port, &hints, &info);
  if (r != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "cannot listen on "
                        "%s: %s", where, gai_strerror (r));
  r = listen_address (info, fd);
  if (r == 0 && !is_loopback (info->ai_addr))
    log_warning ("backups on %s are not encrypted: anybody on the way can "
                 "read them", where);
  freeaddrinfo (info);
  if (r == -EADDRINUSE)
    failure_set (why, FAILURE_BUSY, EADDRINUSE, "TCP port %s of %s is in use: "
                 "choose another one", port, address);
  else if (r < 0)
    failure_set (why, FAILURE_BAD_ARGUMENT, -r, "cannot listen on %s: %s",
                 where, g_strerror (-r));
  return r;
}
