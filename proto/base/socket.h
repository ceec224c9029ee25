/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream sockets.  Descriptors that are handed out block, and are closed at
 * exec; functions return 0 or -errno; deadlines are of now_ms (), INT64_MAX:
 * never.  Threads: reentrant. */
#ifndef PULLBACK_SOCKET_H
#define PULLBACK_SOCKET_H

#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "failure.h"

/* Bytes of the path of a unix socket. */
#define SOCKET_PATH_MAX (sizeof ((struct sockaddr_un *) NULL)->sun_path - 1)

/* Connects to PATH.  -ENAMETOOLONG: not 1 to SOCKET_PATH_MAX bytes; -EAGAIN:
 * until the deadline so many others waited there that there was no place. */
int socket_connect_unix (const char *path, int64_t deadline_ms, int *fd) WARN_UNUSED;

/* The sentence for -ENAMETOOLONG; OF names the socket. */
int socket_path_failure (const char *of, const char *path, struct failure *why);

/* Listens at PATH, mode 0600 from the first moment on.  A socket where nobody
 * listens any more is replaced.  -ENAMETOOLONG; -EEXIST: there is a file, and
 * it is no socket; -EPROTOTYPE: there is a socket, and it is no stream;
 * -EADDRINUSE: somebody listens there. */
int socket_listen_unix (const char *path, int *fd) WARN_UNUSED;

/* The same in two steps, between which rights may be given up: the socket is of the user who
 * makes it, the file that of who listens. */
int socket_make_unix (int *fd) WARN_UNUSED;
int socket_listen_unix_on (int fd, const char *path) WARN_UNUSED;

/* [ADDRESS:]PORT taken apart. */
struct socket_place {
  char address[256];            /* "": none was given */
  char port[6];                 /* a number, 0 to 65535 */
  bool is_bare;                 /* colons in ADDRESS, and no brackets around it */
};

/* -EINVAL: it has no such port; -EDESTADDRREQ: ADDRESS is empty or too long. */
int socket_parse_place (const char *text, struct socket_place *place) WARN_UNUSED;

/* Listens on TCP.  ONLY_V6: an IPv6 address does not stand for IPv4, too. */
int socket_listen_tcp (const struct addrinfo *where, bool only_v6, int *fd) WARN_UNUSED;

/* 127.0.0.0/8 or ::1, which is whoever is on this machine. */
bool socket_is_loopback (const struct sockaddr *address);

/* Waits until FD is ready for EVENTS of poll (2), or broken.  -ETIMEDOUT: also
 * when the process is to end, see stop-clock.h ... */
int socket_wait (int fd, short events, int64_t deadline_ms) WARN_UNUSED;
/* ... but for this one. */
int socket_wait_patiently (int fd, short events, int64_t deadline_ms) WARN_UNUSED;

/* Sends all of DATA; a deadline of 0 sends what can be sent without waiting.
 * -ETIMEDOUT (part of it may have gone out), -EPIPE (and no signal) or what
 * send (2) says. */
int socket_send (int fd, const void *data, size_t length, int64_t deadline_ms) WARN_UNUSED;

/* The same over a unix socket, with a copy of the descriptor PASSED, which arrives with the
 * first of the bytes. */
int socket_send_with (int fd, const void *data, size_t length, int passed, int64_t deadline_ms) WARN_UNUSED;

/* How many bytes a unix stream socket takes, in a message or two, that nobody reads: of
 * what it may hold (net.core.wmem_default, 208 KiB by default) the kernel needs some
 * itself.  2048, or a multiple of 4096, up to SOCKET_ROOM_MAX. */
size_t socket_room (void);
#define SOCKET_ROOM_MAX (128u << 10)

/* The same for FD. */
size_t socket_room_of (int fd);

#endif
