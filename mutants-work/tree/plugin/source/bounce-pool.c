/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "bounce-pool.h"

#define BOUNCE_COUNT 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
/* Protected by lock. */
static char *idle[BOUNCE_COUNT];
static unsigned idle_count, total;

char *
bounce_pool_take (bool wait)
{
  void *buffer = NULL;

  pthread_mutex_lock (&lock);
  while (wait && idle_count == 0 && total == BOUNCE_COUNT)
    pthread_cond_wait (&given, &lock);
  if (idle_count > 0)
    buffer = idle[--idle_count];
  else if (total < BOUNCE_COUNT &&
           posix_memalign (&buffer, BOUNCE_ALIGN, BOUNCE_SIZE) == 0)
    total++;
  else
    buffer = NULL;
  pthread_mutex_unlock (&lock);
  return buffer;
}

void
bounce_pool_give (char *buffer)
{
  if (buffer == NULL)
    return;
  pthread_mutex_lock (&lock);
  idle[idle_count++] = buffer;
  pthread_cond_signal (&given);
  pthread_mutex_unlock (&lock);
}

void
bounce_pool_free_all (void)
{
  while (idle_count > 0) {
    free (idle[--idle_count]);
    total--;
  }
}
