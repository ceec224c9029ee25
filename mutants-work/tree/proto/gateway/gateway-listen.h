/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening sockets: unix, TCP, or handed over by a service manager. */
#ifndef PULLBACK_GATEWAY_LISTEN_H
#define PULLBACK_GATEWAY_LISTEN_H

#include <sys/stat.h>

#include "failure.h"

struct listener {
  int fd;
  char *path;                   /* unix socket that we made; NULL otherwise */
  dev_t device;
  ino_t inode;
};

struct listeners {
  struct listener *items;
  size_t count;
};

/* All add to LISTENERS; -errno with a sentence in WHY. */

/* Mode 0600.  A socket file nobody listens on is replaced. */
int gateway_listen_unix (struct listeners *listeners, const char *path, struct failure *why) WARN_UNUSED;

/* TEXT is [ADDRESS:]PORT, without address 127.0.0.1 and ::1.  An address off
 * loopback logs a warning. */
int gateway_listen_tcp (struct listeners *listeners, const char *text, struct failure *why) WARN_UNUSED;

/* Takes what LISTEN_FDS and LISTEN_PID offer this process, maybe nothing. */
int gateway_listen_inherited (struct listeners *listeners, struct failure *why) WARN_UNUSED;

/* Closes all and removes the socket files that are still ours. */
void gateway_listen_close (struct listeners *listeners);

#endif
