/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stream sockets.  Everything returns 0 or -errno; deadlines are of now_ms ();
 * INT64_MAX: never.  Threads: reentrant. */
#ifndef PULLBACK_SOCKET_H
#define PULLBACK_SOCKET_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

/* Waits until FD is ready for EVENTS of poll (2), or broken.  -ETIMEDOUT: also
 * when the process is to end, see stop-clock.h ... */
int socket_wait (int fd, short events, int64_t deadline_ms) WARN_UNUSED;
/* ... but for this one. */
int socket_wait_patiently (int fd, short events, int64_t deadline_ms) WARN_UNUSED;

/* Sends all of DATA; a deadline of 0 sends what can be sent without waiting.
 * -ETIMEDOUT (part of it may have gone out), -EPIPE (and no signal) or what
 * send (2) says. */
int socket_send (int fd, const void *data, size_t length, int64_t deadline_ms) WARN_UNUSED;

#endif
