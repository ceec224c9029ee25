/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets of both families, in a folder of its own and on loopback. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "deadline.h"
#include "socket.h"

static char folder[] = "/tmp/test-socket-XXXXXX";

static const char *
in_folder (const char *name)
{
  static char path[200];

  snprintf (path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void
test_place (void)
{
  static const struct {
    const char *text;
    int result;
    const char *address, *port;
    bool is_bare;
  } cases[] = {
    { "10809", 0, "", "10809", false },
    { "0", 0, "", "0", false },
    { "127.0.0.1:65535", 0, "127.0.0.1", "65535", false },
    { "host.example:1", 0, "host.example", "1", false },
    { "[::1]:1", 0, "::1", "1", false },
    { "::1:1", 0, "::1", "1", true },
    { "[::1:1", 0, "[::1", "1", true },
    { "", -EINVAL, "", "", false },
    { "65536", -EINVAL, "", "", false },
    { "000001", -EINVAL, "", "", false },
    { "-1", -EINVAL, "", "", false },
    { "1x", -EINVAL, "", "", false },
    { "host", -EINVAL, "", "", false },
    { "host:", -EINVAL, "", "", false },
    { "host: 1", -EINVAL, "", "", false },
    { ":1", -EDESTADDRREQ, "", "", false },
    { "[]:1", -EDESTADDRREQ, "", "", false }
  };
  struct socket_place place;
  char text[300];
  size_t i;

  for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int r = socket_parse_place (cases[i].text, &place);

    if (r != cases[i].result)
      fprintf (stderr, "'%s': %d\n", cases[i].text, r);
    assert (r == cases[i].result);
    assert (r < 0 || (strcmp (place.address, cases[i].address) == 0 &&
                      strcmp (place.port, cases[i].port) == 0 &&
                      place.is_bare == cases[i].is_bare));
  }
  memset (text, 'a', sizeof text);
  strcpy (text + 255, ":1");
  assert (socket_parse_place (text, &place) == 0);
  strcpy (text, "aaaa");
  text[4] = 'a';
  text[255] = 'a';
  strcpy (text + 256, ":1");
  assert (socket_parse_place (text, &place) == -EDESTADDRREQ);
}

static void
test_long_paths (void)
{
  char path[SOCKET_PATH_MAX + 2];
  int fd = -1;

  memset (path, 'a', sizeof path);
  path[sizeof path - 1] = '\0';
  assert (socket_listen_unix (path, &fd) == -ENAMETOOLONG);
  assert (socket_connect_unix (path, 0, &fd) == -ENAMETOOLONG);
  path[sizeof path - 2] = '\0';
  assert (socket_connect_unix (path, 0, &fd) == -ENOENT);
  assert (socket_listen_unix ("", &fd) == -ENAMETOOLONG);
  assert (socket_connect_unix ("", 0, &fd) == -ENAMETOOLONG);
  assert (fd == -1);
}

static void
test_unix (void)
{
  const char *path = in_folder ("listen");
  int listener = -1, other = -1, client = -1;
  struct stat st;

  assert (socket_connect_unix (path, INT64_MAX, &client) == -ENOENT);
  umask (0);
  assert (socket_listen_unix (path, &listener) == 0);
  assert (stat (path, &st) == 0 && (st.st_mode & 07777) == 0600);
  assert (fcntl (listener, F_GETFD) == FD_CLOEXEC);
  assert (socket_listen_unix (path, &other) == -EADDRINUSE);
  assert (socket_connect_unix (path, 0, &client) == 0);
  assert (fcntl (client, F_GETFD) == FD_CLOEXEC);
  assert ((fcntl (client, F_GETFL) & O_NONBLOCK) == 0);
  close (client);
  close (listener);
  assert (socket_connect_unix (path, INT64_MAX, &client) == -ECONNREFUSED);
  /* Nobody listens there any more. */
  assert (socket_listen_unix (path, &listener) == 0);
  close (listener);
  unlink (path);
}

/* What is no socket is left alone, also where a link leads to one. */
static void
test_in_the_way (void)
{
  const char *path = in_folder ("file");
  char target[300];
  int fd = open (path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), listener = -1;

  close (fd);
  assert (socket_listen_unix (path, &listener) == -EEXIST);
  assert (unlink (path) == 0);
  snprintf (target, sizeof target, "%s.target", path);
  assert (symlink (target, path) == 0);
  assert (socket_listen_unix (path, &listener) == -EEXIST);
  assert (socket_listen_unix (target, &listener) == 0);
  close (listener);
  assert (socket_listen_unix (path, &listener) == -EEXIST);
  assert (unlink (path) == 0 && unlink (target) == 0);
  fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  strcpy (address.sun_path, path);
  assert (bind (fd, (struct sockaddr *) &address, sizeof address) == 0);
  assert (socket_listen_unix (path, &listener) == -EPROTOTYPE);
  assert (access (path, F_OK) == 0);
  close (fd);
  unlink (path);
}

static void
test_full_queue (void)
{
  const char *path = in_folder ("full");
  int listener = -1, client = -1, waiting = -1, r;
  int64_t started;

  assert (socket_listen_unix (path, &listener) == 0);
  assert (listen (listener, 0) == 0);
  assert (socket_connect_unix (path, 0, &waiting) == 0);
  assert (socket_connect_unix (path, 0, &client) == -EAGAIN);
  started = now_ms ();
  assert (socket_connect_unix (path, started + 50, &client) == -EAGAIN);
  assert (now_ms () >= started + 50);
  /* A full queue is somebody's. */
  assert (socket_listen_unix (path, &r) == -EADDRINUSE);
  r = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  assert (socket_connect_unix (path, now_ms () + 20000, &client) == 0);
  close (r);
  close (client);
  close (waiting);
  close (listener);
  unlink (path);
}

static void
test_tcp (void)
{
  struct sockaddr_in any = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl (INADDR_LOOPBACK + 7) };
  struct addrinfo info = { .ai_family = AF_INET, .ai_addrlen = sizeof any,
                           .ai_addr = (struct sockaddr *) &any };
  socklen_t length = sizeof any;
  int fd = -1, other = -1;

  assert (socket_listen_tcp (&info, true, &fd) == 0);
  assert (fcntl (fd, F_GETFD) == FD_CLOEXEC);
  assert (getsockname (fd, (struct sockaddr *) &any, &length) == 0);
  assert (socket_listen_tcp (&info, true, &other) == -EADDRINUSE);
  assert (socket_is_loopback ((struct sockaddr *) &any));
  any.sin_addr.s_addr = htonl (0x80000001);
  assert (!socket_is_loopback ((struct sockaddr *) &any));
  close (fd);
}

static void
test_loopback (void)
{
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                             .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  struct sockaddr_un local = { .sun_family = AF_UNIX };

  assert (socket_is_loopback ((struct sockaddr *) &v6));
  v6.sin6_addr = in6addr_any;
  assert (!socket_is_loopback ((struct sockaddr *) &v6));
  assert (!socket_is_loopback ((struct sockaddr *) &local));
}

static void
test_send (void)
{
  static const char data[1 << 20], *const some = "x";
  int fds[2];
  int64_t started = now_ms ();

  assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  assert (socket_send (fds[0], data, sizeof data, 0) == -ETIMEDOUT);
  assert (socket_send (fds[0], some, 1, started + 50) == -ETIMEDOUT);
  assert (socket_wait (fds[0], POLLOUT, started + 60) == -ETIMEDOUT);
  assert (socket_wait_patiently (fds[0], POLLOUT, started + 70) == -ETIMEDOUT);
  assert (now_ms () >= started + 70);
  assert (socket_wait (fds[1], POLLIN, 0) == 0);
  assert (socket_wait_patiently (fds[1], POLLIN, INT64_MAX) == 0);
  close (fds[1]);
  assert (socket_send (fds[0], some, 1, INT64_MAX) == -EPIPE);
  close (fds[0]);
}

/* A reply of that size goes into a socket that nobody reads, with its headers, each of
 * which is a message. */
static void
test_room (void)
{
  static char data[SOCKET_ROOM_MAX];
  static const char header[32];

  for (int asked = 0; asked <= 256 << 10; asked += 1111) {
    int fds[2];
    size_t room;

    assert (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    assert (setsockopt (fds[0], SOL_SOCKET, SO_SNDBUF, &asked,
                        sizeof asked) == 0);
    room = socket_room_of (fds[0]);
    assert (room == 2048 || (room >= 4096 && room % 4096 == 0));
    assert (room <= sizeof data);
    assert (socket_send (fds[0], header, sizeof header, 0) == 0);
    assert (socket_send (fds[0], data, room, 0) == 0);
    close (fds[0]);
    close (fds[1]);
  }
  assert (socket_room () >= 2048 && socket_room () <= SOCKET_ROOM_MAX);
  assert (socket_room_of (-1) == 2048);
}

int
main (void)
{
  assert (mkdtemp (folder) != NULL);
  test_place ();
  test_long_paths ();
  test_unix ();
  test_in_the_way ();
  test_full_queue ();
  test_tcp ();
  test_loopback ();
  test_send ();
  test_room ();
  assert (rmdir (folder) == 0);
  return 0;
}
