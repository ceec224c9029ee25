/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deadlines in milliseconds of CLOCK_MONOTONIC. */
#ifndef PULLBACK_DEADLINE_H
#define PULLBACK_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t
now_ms (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The same clock, finer. */
static inline int64_t
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (int64_t) now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Milliseconds left, at least 0: a timeout for poll (2). */
static inline int
ms_left (int64_t deadline_ms)
{
  int64_t left = deadline_ms - now_ms ();

  return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int) left;
}

/* As pthread_cond_wait, but false at the deadline; INT64_MAX is none. */
static inline bool
wait_until_ms (pthread_cond_t *condition, pthread_mutex_t *lock,
               int64_t deadline_ms)
{
  struct timespec end = { .tv_sec = deadline_ms / 1000,
                          .tv_nsec = deadline_ms % 1000 * 1000000 };

  return pthread_cond_clockwait (condition, lock, CLOCK_MONOTONIC, &end) == 0;
}

#endif
