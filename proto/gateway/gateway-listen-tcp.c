/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway-listen-tcp.h"
#include "log.h"

#define BACKLOG 256             /* clients wait there for a place */

struct tcp_place {
  char host[256];               /* "" for loopback */
  char port[8];
};

/* Splits [ADDRESS:]PORT; an IPv6 address is in brackets. */
static int
parse_place (const char *text, struct tcp_place *place, struct failure *why)
{
  const char *colon = strrchr (text, ':');
  const char *port = colon == NULL ? text : colon + 1;
  size_t length = colon == NULL ? 0 : (size_t) (colon - text);
  struct tcp_place out = { "", "" };
  char *end;
  unsigned long number = strtoul (port, &end, 10);

  if (strspn (port, "0123456789") != strlen (port) || *port == '\0' ||
      strlen (port) > 5 || number > 65535)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp needs "
                        "[ADDRESS:]PORT with a port up to 65535, not %.200s",
                        text);
  strcpy (out.port, port);
  if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
    text++;
    length -= 2;
  } else if (memchr (text, ':', length) != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp needs "
                        "brackets around an IPv6 address: %.200s", text);
  if ((colon != NULL && length == 0) || length >= sizeof out.host)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--tcp has an "
                        "empty or overlong address: %.200s", text);
  memcpy (out.host, text, length);
  out.host[length] = '\0';
  *place = out;
  return 0;
}

static bool
is_loopback (const struct sockaddr *address)
{
  const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) address;

  if (address->sa_family == AF_INET)
    return ntohl (v4->sin_addr.s_addr) >> 24 == 127;
  return IN6_IS_ADDR_LOOPBACK (&v6->sin6_addr);
}

static int
bind_address (const struct addrinfo *info, int *out)
{
  CLEANUP_FD int fd = socket (info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int one = 1;

  if (fd < 0)
    return -errno;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (info->ai_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind (fd, info->ai_addr, info->ai_addrlen) < 0 ||
      listen (fd, BACKLOG) < 0)
    return -errno;
  *out = TAKE_FD (fd);
  return 0;
}

/* Says where the socket listens, and fills in a port the kernel chose. */
static void
announce (int fd, struct tcp_place *place)
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
  if (!is_loopback ((struct sockaddr *) &address))
    log_warning ("connections to %s port %s are not encrypted; anybody who "
                 "reaches it can read the disks", host, port);
}

static int
listen_host (struct listeners *listeners, const char *host,
             struct tcp_place *place, struct failure *why)
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
    r = bind_address (info, &fd);
    if (r == -EADDRINUSE)
      failure_set (why, FAILURE_BUSY, EADDRINUSE, "port %s of %s is in use; "
                   "stop the other server or choose another port",
                   place->port, host);
    else if (r < 0)
      failure_set (why, FAILURE_BAD_ARGUMENT, -r, "cannot listen on port %s "
                   "of %s: %s", place->port, host, strerror (-r));
    else {
      announce (fd, place);
      r = listeners_add (listeners, fd, NULL, why);
    }
  }
  freeaddrinfo (found);
  return r;
}

int
listen_tcp (struct listeners *listeners, const char *text,
            struct failure *why)
{
  struct failure v6 = { .error = 0 };
  struct tcp_place place;
  int r = parse_place (text, &place, why);

  if (r < 0)
    return r;
  if (place.host[0] != '\0')
    return listen_host (listeners, place.host, &place, why);
  r = listen_host (listeners, "127.0.0.1", &place, why);
  if (r < 0)
    return r;
  /* A machine without IPv6 is fine, another server on that port is not. */
  r = listen_host (listeners, "::1", &place, &v6);
  if (r == -EADDRINUSE || r == -ENOMEM)
    return failure_set (why, v6.class, v6.error, "%s", v6.text);
  return 0;
}
