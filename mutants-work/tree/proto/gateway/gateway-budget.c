/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <pthread.h>

#include "gateway-budget.h"

/* One step takes at most this part of what is left, so that those who come
 * later find something. */
#define PART 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t spare = BUDGET_SPARE;   /* protected by lock */

uint32_t
gateway_budget_raise (uint32_t share)
{
  pthread_mutex_lock (&lock);
  while (share < BUDGET_MOST && share <= spare / PART) {
    spare -= share;
    share *= 2;
  }
  pthread_mutex_unlock (&lock);
  return share;
}

void
gateway_budget_return (uint32_t share)
{
  pthread_mutex_lock (&lock);
  spare += share - BUDGET_LEAST;
  pthread_mutex_unlock (&lock);
}
