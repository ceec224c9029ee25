/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <pthread.h>

#include "qmp-turn.h"

#define READERS_MAX 4u

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_given = PTHREAD_COND_INITIALIZER;
static unsigned readers;        /* of schemas; protected by the lock */

void
qmp_turn_take (void)
{
  pthread_mutex_lock (&turn_lock);
  while (readers == READERS_MAX)
    pthread_cond_wait (&turn_given, &turn_lock);
  readers++;
  pthread_mutex_unlock (&turn_lock);
}

void
qmp_turn_give (void)
{
  pthread_mutex_lock (&turn_lock);
  readers--;
  pthread_cond_signal (&turn_given);
  pthread_mutex_unlock (&turn_lock);
}
