/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <time.h>

#include "gateway-inflight.h"

void
inflight_create (struct inflight *inflight)
{
  pthread_condattr_t attributes;

  *inflight = (struct inflight) { .count = 0 };
  pthread_mutex_init (&inflight->lock, NULL);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&inflight->changed, &attributes);
  pthread_condattr_destroy (&attributes);
}

void
inflight_destroy (struct inflight *inflight)
{
  pthread_mutex_destroy (&inflight->lock);
  pthread_cond_destroy (&inflight->changed);
}

static bool
has_room_locked (const struct inflight *inflight, uint32_t length)
{
  return inflight->count == 0 ||
         (inflight->count < INFLIGHT_SLOTS &&
          inflight->bytes + length <= INFLIGHT_BYTES);
}

static int
take_slot_locked (struct inflight *inflight, const struct inflight_read *read)
{
  int slot = 0;

  while (inflight->busy[slot])
    slot++;
  inflight->busy[slot] = true;
  inflight->reads[slot] = *read;
  inflight->count++;
  inflight->bytes += read->length;
  return slot;
}

int
inflight_acquire (struct inflight *inflight, const struct inflight_read *read,
                  bool wait)
{
  int r;

  pthread_mutex_lock (&inflight->lock);
  while (wait && !inflight->closed && !has_room_locked (inflight, read->length))
    pthread_cond_wait (&inflight->changed, &inflight->lock);
  if (inflight->closed)
    r = -ESHUTDOWN;
  else if (!has_room_locked (inflight, read->length))
    r = -EAGAIN;
  else
    r = take_slot_locked (inflight, read);
  pthread_mutex_unlock (&inflight->lock);
  return r;
}

int
inflight_find (struct inflight *inflight, uint64_t slot,
               struct inflight_read *read)
{
  int r = -EBADMSG;

  pthread_mutex_lock (&inflight->lock);
  if (slot < INFLIGHT_SLOTS && inflight->busy[slot]) {
    *read = inflight->reads[slot];
    r = 0;
  }
  pthread_mutex_unlock (&inflight->lock);
  return r;
}

void
inflight_release (struct inflight *inflight, uint64_t slot)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->busy[slot] = false;
  inflight->count--;
  inflight->bytes -= inflight->reads[slot].length;
  pthread_cond_signal (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
}

int
inflight_drain (struct inflight *inflight, int64_t deadline_ms)
{
  struct timespec end = { .tv_sec = deadline_ms / 1000,
                          .tv_nsec = deadline_ms % 1000 * 1000000 };
  int error = 0;

  pthread_mutex_lock (&inflight->lock);
  while (!inflight->gone && inflight->count > 0 && error == 0)
    error = pthread_cond_timedwait (&inflight->changed, &inflight->lock, &end);
  if (inflight->count == 0)
    error = 0;
  else if (inflight->gone)
    error = ESHUTDOWN;
  pthread_mutex_unlock (&inflight->lock);
  return -error;
}

void
inflight_close (struct inflight *inflight)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->closed = true;
  pthread_cond_broadcast (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
}

void
inflight_finish (struct inflight *inflight)
{
  pthread_mutex_lock (&inflight->lock);
  inflight->closed = inflight->gone = true;
  pthread_cond_broadcast (&inflight->changed);
  pthread_mutex_unlock (&inflight->lock);
}
