/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must not differ from one program to the next: nothing is inherited by
 * accident, a socket is private before it has a name, and another's is never
 * taken away. */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deadline.h"
#include "socket.h"
#include "stop-clock.h"

#define BACKLOG 4096            /* clients wait there; the kernel has the last word */
#define RETRY_MS 20

/* --- unix sockets ------------------------------------------------------ */

static int
make_address (const char *path, struct sockaddr_un *address)
{
  *address = (struct sockaddr_un) { .sun_family = AF_UNIX };
  if (path[0] == '\0' || strlen (path) > SOCKET_PATH_MAX)
    return -ENAMETOOLONG;
  strcpy (address->sun_path, path);
  return 0;
}

int
socket_path_failure (const char *of, const char *path, struct failure *why)
{
  return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG, "the path of "
                      "%s has 1 to %zu bytes, '%.200s' has not", of,
                      SOCKET_PATH_MAX, path);
}

/* Linux answers EAGAIN at once when the listener's queue is full. */
static int
connect_until (int fd, const struct sockaddr_un *address, int64_t deadline_ms)
{
  int left;

  while (connect (fd, (const struct sockaddr *) address, sizeof *address) < 0) {
    left = ms_left (deadline_ms);
    if (errno != EAGAIN || left == 0)
      return -errno;
    poll (NULL, 0, left < RETRY_MS ? left : RETRY_MS);
  }
  return 0;
}

int
socket_connect_unix (const char *path, int64_t deadline_ms, int *fd)
{
  struct sockaddr_un address;
  CLEANUP_FD int new = -1;
  int r = make_address (path, &address);

  if (r < 0)
    return r;
  new = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (new < 0)
    return -errno;
  r = connect_until (new, &address, deadline_ms);
  if (r == 0 && fcntl (new, F_SETFL, 0) < 0)
    r = -errno;
  if (r == 0)
    *fd = TAKE_FD (new);
  return r;
}

static int
bind_to (int fd, const struct sockaddr_un *address)
{
  return bind (fd, (const struct sockaddr *) address, sizeof *address) < 0
         ? -errno : 0;
}

/* Removes a socket on which nobody listens. */
static int
remove_stale (const char *path)
{
  CLEANUP_FD int fd = -1;
  struct stat st;
  int r;

  if (lstat (path, &st) == 0 && !S_ISSOCK (st.st_mode))
    return -EEXIST;
  r = socket_connect_unix (path, 0, &fd);
  /* A full queue is somebody's. */
  if (r == 0 || r == -EAGAIN)
    return -EADDRINUSE;
  if (r == -ECONNREFUSED && unlink (path) < 0)
    r = -errno;
  return r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
}

/* Nobody else can connect, whatever the umask and from the first moment on:
 * bind takes the file's mode from the socket. */
int
socket_make_unix (int *fd)
{
  CLEANUP_FD int new = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (new < 0 || fchmod (new, S_IRUSR | S_IWUSR) < 0)
    return -errno;
  *fd = TAKE_FD (new);
  return 0;
}

int
socket_listen_unix_on (int fd, const char *path)
{
  struct sockaddr_un address;
  int r = make_address (path, &address);

  if (r == 0)
    r = bind_to (fd, &address);
  if (r == -EADDRINUSE) {
    r = remove_stale (path);
    if (r == 0)
      r = bind_to (fd, &address);
  }
  return r < 0 ? r : listen (fd, BACKLOG) < 0 ? -errno : 0;
}

int
socket_listen_unix (const char *path, int *fd)
{
  CLEANUP_FD int new = -1;
  int r = socket_make_unix (&new);

  if (r == 0)
    r = socket_listen_unix_on (new, path);
  if (r == 0)
    *fd = TAKE_FD (new);
  return r;
}

/* --- TCP --------------------------------------------------------------- */

int
socket_parse_place (const char *text, struct socket_place *place)
{
  const char *colon = strrchr (text, ':');
  const char *port = colon == NULL ? text : colon + 1;
  size_t digits = strspn (port, "0123456789"), length;

  *place = (struct socket_place) { .is_bare = false };
  if (digits == 0 || digits >= sizeof place->port || port[digits] != '\0' ||
      atoi (port) > 65535)
    return -EINVAL;
  strcpy (place->port, port);
  if (colon == NULL)
    return 0;
  length = (size_t) (colon - text);
  if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
    text++;
    length -= 2;
  } else
    place->is_bare = memchr (text, ':', length) != NULL;
  if (length == 0 || length >= sizeof place->address)
    return -EDESTADDRREQ;
  memcpy (place->address, text, length);
  return 0;
}

int
socket_listen_tcp (const struct addrinfo *where, bool only_v6, int *fd)
{
  CLEANUP_FD int new = socket (where->ai_family, SOCK_STREAM | SOCK_CLOEXEC,
                               0);
  const int one = 1;

  if (new < 0 ||
      setsockopt (new, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
      (only_v6 && where->ai_family == AF_INET6 &&
       setsockopt (new, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
      bind (new, where->ai_addr, where->ai_addrlen) < 0 ||
      listen (new, BACKLOG) < 0)
    return -errno;
  *fd = TAKE_FD (new);
  return 0;
}

bool
socket_is_loopback (const struct sockaddr *address)
{
  const struct sockaddr_in *v4 = (const void *) address;
  const struct sockaddr_in6 *v6 = (const void *) address;

  if (address->sa_family == AF_INET)
    return ntohl (v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK (&v6->sin6_addr);
}

/* --- waiting and sending ----------------------------------------------- */

int
socket_wait (int fd, short events, int64_t deadline_ms)
{
  struct pollfd polled = { .fd = fd, .events = events };
  int r = stop_clock_poll (&polled, 1, deadline_ms);

  return r < 0 ? r : 0;
}

int
socket_wait_patiently (int fd, short events, int64_t deadline_ms)
{
  struct pollfd polled = { .fd = fd, .events = events };
  int r;

  do
    r = poll (&polled, 1, ms_left (deadline_ms));
  while ((r < 0 && errno == EINTR) || (r == 0 && ms_left (deadline_ms) > 0));
  return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

int
socket_send (int fd, const void *data, size_t length, int64_t deadline_ms)
{
  const char *p = data;
  ssize_t n;
  int r = 0;

  while (length > 0 && r == 0) {
    n = send (fd, p, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      p += n;
      length -= (size_t) n;
    } else if (errno == EAGAIN)
      r = socket_wait (fd, POLLOUT, deadline_ms);
    else if (errno != EINTR)
      r = -errno;
  }
  return r;
}

static ssize_t
send_passing (int fd, const void *data, size_t length, int passed)
{
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE (sizeof (int))];
  } control = { .bytes = { 0 } };
  struct iovec part = { (void *) data, length };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes };
  struct cmsghdr *header = CMSG_FIRSTHDR (&message);

  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN (sizeof (int));
  memcpy (CMSG_DATA (header), &passed, sizeof passed);
  return sendmsg (fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
socket_send_with (int fd, const void *data, size_t length, int passed,
                  int64_t deadline_ms)
{
  ssize_t n = -1;
  int r = 0;

  while (n < 0 && r == 0) {
    n = send_passing (fd, data, length, passed);
    if (n < 0 && errno == EAGAIN)
      r = socket_wait (fd, POLLOUT, deadline_ms);
    else if (n < 0 && errno != EINTR)
      r = -errno;
  }
  return r < 0 ? r : socket_send (fd, (const char *) data + n,
                                  length - (size_t) n, deadline_ms);
}

/* --- room -------------------------------------------------------------- */

/* For one of at least SMALL bytes; less fits into any. */
#define ROOM_STEP 4096
#define ROOM_SMALL 16384
#define ROOM_LEAST 2048

size_t
socket_room_of (int fd)
{
  socklen_t length = sizeof (int);
  int buffer = 0;
  size_t room;

  if (getsockopt (fd, SOL_SOCKET, SO_SNDBUF, &buffer, &length) < 0 ||
      buffer < ROOM_SMALL)
    return ROOM_LEAST;
  room = (size_t) buffer / 13 * 8;      /* 128 of 208 KiB */
  room -= room % ROOM_STEP;
  return room > SOCKET_ROOM_MAX ? SOCKET_ROOM_MAX : room;
}

/* Every socket begins with the same, and one that nobody has touched shows it. */
size_t
socket_room (void)
{
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  size_t room = socket_room_of (fd);

  if (fd >= 0)
    close (fd);
  return room;
}
