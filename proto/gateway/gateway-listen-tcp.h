/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Inside of gateway-listen: what its two files share. */
#ifndef PULLBACK_GATEWAY_LISTEN_TCP_H
#define PULLBACK_GATEWAY_LISTEN_TCP_H

#include "gateway-listen.h"

/* Takes FD over, also on failure.  PATH: a unix socket file to remove. */
int listeners_add (struct listeners *listeners, int fd, const char *path, struct failure *why) WARN_UNUSED;

#endif
