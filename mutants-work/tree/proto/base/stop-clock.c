/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "deadline.h"
#include "stop-clock.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t started_ms;      /* 0: not started; protected by lock */
static __thread bool ends;      /* stop_clock_end_phase was called */

void
stop_clock_start (void)
{
  pthread_mutex_lock (&lock);
  if (started_ms == 0)
    started_ms = now_ms ();
  pthread_mutex_unlock (&lock);
}

void
stop_clock_end_phase (void)
{
  ends = true;
}

int64_t
stop_clock_cap (int64_t deadline_ms)
{
  int64_t since, cap;

  pthread_mutex_lock (&lock);
  since = started_ms;
  pthread_mutex_unlock (&lock);
  if (since == 0)
    return deadline_ms;
  cap = since + (ends ? STOP_CLOCK_END_MS : STOP_CLOCK_WORK_MS);
  return cap < deadline_ms ? cap : deadline_ms;
}

int
stop_clock_poll (struct pollfd *polled, nfds_t n, int64_t deadline_ms)
{
  int left, r;

  do {
    left = ms_left (stop_clock_cap (deadline_ms));
    r = poll (polled, n,
              left < STOP_CLOCK_SLICE_MS ? left : STOP_CLOCK_SLICE_MS);
  } while ((r < 0 && errno == EINTR) || (r == 0 && left > 0));
  return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : r;
}
