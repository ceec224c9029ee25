/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moves payload from one socket to another through a pipe with splice (2), so
 * that it is not copied through user space.  Small payloads are copied, which
 * is cheaper than the extra system calls; so is everything where the kernel
 * cannot splice these sockets.  One thread per pump. */
#ifndef PULLBACK_GATEWAY_PUMP_H
#define PULLBACK_GATEWAY_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

struct gateway_pump {
  int pipe[2];                  /* empty between two moves that succeed */
  size_t pipe_size;
  bool large;                   /* one of few */
  bool copy;                    /* splice does not work here */
  bool from_lost;               /* the last failure was FROM's */
  uint64_t left;                /* payload still to come from FROM */
  uint8_t *buffer;
};

int gateway_pump_open (struct gateway_pump *pump) WARN_UNUSED;
void gateway_pump_close (struct gateway_pump *pump);

/* Sends HEAD to TO, then LENGTH bytes that are received from FROM.  Both are
 * blocking sockets; SIGPIPE must be ignored.  HEAD_LENGTH is at most
 * REPLY_HEAD_MAX of gateway-reply.h.  -errno: TO is unusable, and so is FROM if from_lost;
 * else gateway_pump_discard takes the rest of the payload off it. */
int gateway_pump_move (struct gateway_pump *pump, int from, int to, const uint8_t *head, size_t head_length, uint64_t length) WARN_UNUSED;

/* Sends HEAD to TO, then LENGTH bytes of DATA, in one system call if TO takes as
 * much.  -errno: TO is unusable. */
int gateway_pump_send (int to, const uint8_t *head, size_t head_length, const void *data, size_t length) WARN_UNUSED;

/* Receives and forgets LENGTH bytes: after a failed move, what is left of its
 * payload. */
int gateway_pump_discard (struct gateway_pump *pump, int from, uint64_t length) WARN_UNUSED;

#endif
