/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reads of one client that were handed upstream and are not yet answered.
 * The slot's number is the cookie upstream sees, so two requests of a client
 * with the same cookie, or any other odd one, do no harm.  Bounded in number
 * and in bytes: a client cannot make the upstream server hold more memory than
 * INFLIGHT_BYTES (or one request) per connection.
 * Threads: one acquires, one releases. */
#ifndef PULLBACK_GATEWAY_INFLIGHT_H
#define PULLBACK_GATEWAY_INFLIGHT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cleanup.h"

#define INFLIGHT_SLOTS 64
#define INFLIGHT_BYTES (UINT64_C (32) << 20)

struct inflight_read {
  uint64_t cookie;              /* the client's */
  uint64_t offset;
  uint32_t length;
};

struct inflight {
  pthread_mutex_t lock;         /* protects all below */
  pthread_cond_t changed;
  struct inflight_read reads[INFLIGHT_SLOTS];
  bool busy[INFLIGHT_SLOTS];
  unsigned count;
  uint64_t bytes;
  bool closed;                  /* no more reads are taken */
  bool gone;                    /* nobody releases any more */
};

void inflight_create (struct inflight *inflight);
void inflight_destroy (struct inflight *inflight);

/* Takes a slot for READ: its number, -EAGAIN if there is no room and WAIT is
 * false (else waits), -ESHUTDOWN once closed. */
int inflight_acquire (struct inflight *inflight, const struct inflight_read *read, bool wait) WARN_UNUSED;

/* What is in SLOT, which comes from upstream; -EBADMSG if that is nothing. */
int inflight_find (struct inflight *inflight, uint64_t slot, struct inflight_read *read) WARN_UNUSED;

void inflight_release (struct inflight *inflight, uint64_t slot);

/* Waits until every read is released: 0.  -ETIMEDOUT at DEADLINE_MS,
 * -ESHUTDOWN if nobody releases any more. */
int inflight_drain (struct inflight *inflight, int64_t deadline_ms) WARN_UNUSED;

/* No more reads are taken; whoever waits to acquire wakes. */
void inflight_close (struct inflight *inflight);

/* The releasing thread ends; whoever waits wakes. */
void inflight_finish (struct inflight *inflight);

#endif
