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
#include "gateway-pulse.h"

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

/* The same in two steps, for payload that must all be here before TO hears of it.
 *
 * The first LENGTH bytes from FROM go into the pipe, which is empty: N_HERE of them have
 * come already, and are HERE.  At most GATEWAY_PUMP_HOLDS.  PULSE is touched when some
 * come.  -errno: FROM is lost.  *IN_PIPE is how many are in there, and fewer than LENGTH
 * if no more fit: then gateway_pump_get takes them out. */
int gateway_pump_fill (struct gateway_pump *pump, int from, const uint8_t *here, size_t n_here, size_t length, struct pulse *pulse, size_t *in_pipe) WARN_UNUSED;

/* Sends HEAD and the LENGTH bytes that are in the pipe.  -errno: TO is unusable. */
int gateway_pump_empty (struct gateway_pump *pump, int to, const uint8_t *head, size_t head_length, size_t length) WARN_UNUSED;

/* Takes LENGTH bytes out of the pipe. */
int gateway_pump_get (struct gateway_pump *pump, uint8_t *buffer, size_t length) WARN_UNUSED;

/* Half of what a pipe has place for, as pages in there may not be full. */
#define GATEWAY_PUMP_HOLDS (256u << 10)

/* Can it hold as much? */
bool gateway_pump_holds (const struct gateway_pump *pump);

/* Receives and forgets LENGTH bytes: after a failed move, what is left of its
 * payload. */
int gateway_pump_discard (struct gateway_pump *pump, int from, uint64_t length) WARN_UNUSED;

#endif
