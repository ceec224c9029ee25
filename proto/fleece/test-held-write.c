/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <pthread.h>
#include <unistd.h>

#include "full-io.h"
#include "test-held-write.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Protected by lock. */
static enum { FREE, WANTED, HELD } state;

int __real_full_pwrite (int fd, const void *buffer, size_t length, uint64_t offset);
int __wrap_full_pwrite (int fd, const void *buffer, size_t length, uint64_t offset);

int
__wrap_full_pwrite (int fd, const void *buffer, size_t length, uint64_t offset)
{
  pthread_mutex_lock (&lock);
  if (state == WANTED) {
    state = HELD;
    pthread_cond_broadcast (&changed);
    while (state == HELD)
      pthread_cond_wait (&changed, &lock);
  }
  pthread_mutex_unlock (&lock);
  return __real_full_pwrite (fd, buffer, length, offset);
}

static void
set_state (int wanted)
{
  pthread_mutex_lock (&lock);
  state = wanted;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&lock);
}

void
test_held_write_begin (void)
{
  set_state (WANTED);
}

void
test_held_write_wait (void)
{
  pthread_mutex_lock (&lock);
  while (state != HELD)
    pthread_cond_wait (&changed, &lock);
  pthread_mutex_unlock (&lock);
}

void
test_held_write_end (void)
{
  set_state (FREE);
}
