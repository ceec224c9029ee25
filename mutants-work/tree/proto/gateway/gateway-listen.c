/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who starts the gateway hands the sockets over; these are made for whoever
 * runs it by hand. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway-listen.h"
#include "log.h"
#include "socket.h"

#define FIRST_INHERITED_FD 3
#define INHERITED_MAX 64

/* Takes FD over, also on failure.  PATH: a unix socket file to remove. */
static int
add_listener (struct listeners *listeners, int fd, const char *path,
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

int
gateway_listen_unix (struct listeners *listeners, const char *path,
                     struct failure *why)
{
  int fd = -1, r = socket_listen_unix (path, &fd);

  switch (r) {
  case 0:
    log_info ("listening on %s", path);
    return add_listener (listeners, fd, path, why);
  case -ENAMETOOLONG:
    return socket_path_failure ("a unix socket", path, why);
  case -EEXIST:
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s exists and is not a "
                        "socket; choose another path", path);
  case -EADDRINUSE:
  case -EPROTOTYPE:
    return failure_set (why, FAILURE_BUSY, EADDRINUSE, "the socket %s is in "
                        "use by another server; stop it or choose another "
                        "path", path);
  default:
    return failure_set (why, FAILURE_BAD_ARGUMENT, -r, "cannot listen on "
                        "%s: %s", path, strerror (-r));
  }
}

static int
parse_place (const char *text, struct socket_place *place, struct failure *why)
{
  int r = socket_parse_place (text, place);

  if (r == -EINVAL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp needs "
                        "[ADDRESS:]PORT with a port up to 65535, not %.200s",
                        text);
  if (place->is_bare)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp needs "
                        "brackets around an IPv6 address: %.200s", text);
  if (r < 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp has an "
                        "empty or overlong address: %.200s", text);
  return 0;
}

/* Says where the socket listens, and fills in a port the kernel chose. */
static void
announce (int fd, struct socket_place *place)
{
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  char host[INET6_ADDRSTRLEN + 32], port[8];

  if (getsockname (fd, (struct sockaddr *) &address, &length) < 0 ||
      getnameinfo ((struct sockaddr *) &address, length, host, sizeof host,
                   port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return;
  strcpy (place->port, port);
  log_info (address.ss_family == AF_INET6 ? "listening on [%s]:%s" :
            "listening on %s:%s", host, port);
  if (!socket_is_loopback ((struct sockaddr *) &address))
    log_warning ("connections to %s port %s are not encrypted; anybody who "
                 "reaches it can read the disks", host, port);
}

static int
listen_host (struct listeners *listeners, const char *host,
             struct socket_place *place, struct failure *why)
{
  struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                            .ai_socktype = SOCK_STREAM };
  struct addrinfo *found, *info;
  int fd = -1, error, r = 0;

  error = getaddrinfo (host, place->port, &hints, &found);
  if (error != 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EADDRNOTAVAIL, "cannot find "
                        "the address %s: %s", host, gai_strerror (error));
  for (info = found; info != NULL && r == 0; info = info->ai_next) {
    r = socket_listen_tcp (info, true, &fd);
    if (r == -EADDRINUSE)
      failure_set (why, FAILURE_BUSY, EADDRINUSE, "port %s of %s is in use; "
                   "stop the other server or choose another port",
                   place->port, host);
    else if (r < 0)
      failure_set (why, FAILURE_BAD_ARGUMENT, -r, "cannot listen on port %s "
                   "of %s: %s", place->port, host, strerror (-r));
    else {
      announce (fd, place);
      r = add_listener (listeners, fd, NULL, why);
    }
  }
  freeaddrinfo (found);
  return r;
}

int
gateway_listen_tcp (struct listeners *listeners, const char *text,
                    struct failure *why)
{
  struct failure v6 = { .error = 0 };
  struct socket_place place;
  int r = parse_place (text, &place, why);

  if (r < 0)
    return r;
  if (place.address[0] != '\0')
    return listen_host (listeners, place.address, &place, why);
  r = listen_host (listeners, "127.0.0.1", &place, why);
  if (r < 0)
    return r;
  /* A machine without IPv6 is fine, another server on that port is not. */
  r = listen_host (listeners, "::1", &place, &v6);
  if (r == -EADDRINUSE || r == -ENOMEM)
    return failure_set (why, v6.class, v6.error, "%s", v6.text);
  return 0;
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
gateway_listen_inherited (struct listeners *listeners, struct failure *why)
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
    r = add_listener (listeners, fd, NULL, why);
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
gateway_listen_close (struct listeners *listeners)
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
