/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Threads with a small stack, as a connection has two of them. */
#ifndef PULLBACK_GATEWAY_THREAD_H
#define PULLBACK_GATEWAY_THREAD_H

#include <pthread.h>

#include "cleanup.h"

/* Starts FUNCTION (ARGUMENT).  With THREAD NULL nobody will join it.
 * 0 or -errno. */
int gateway_thread_start (void *(*function) (void *), void *argument, pthread_t *thread) WARN_UNUSED;

#endif
