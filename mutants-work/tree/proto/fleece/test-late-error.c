/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "late-error.h"

/* A second asker comes within this, if nothing keeps it away. */
#define SECOND_MS 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned asked;          /* protected by lock */

int __wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags);

/* Tells the first alone, and that one slowly. */
int
__wrap_sync_file_range (int fd, off_t offset, off_t length, unsigned flags)
{
  struct timespec until;
  bool first;

  clock_gettime (CLOCK_REALTIME, &until);
  until.tv_nsec += SECOND_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  pthread_mutex_lock (&lock);
  first = asked++ == 0;
  pthread_cond_broadcast (&changed);
  while (first && asked == 1 &&
         pthread_cond_timedwait (&changed, &lock, &until) == 0)
    ;
  pthread_mutex_unlock (&lock);
  errno = EIO;
  return first ? -1 : 0;
}

static void *
look (void *late)
{
  assert (late_error_look (late) == EIO);
  return NULL;
}

/* Who looks while the kernel tells another must not see a file that is well. */
int
main (void)
{
  struct late_error late;
  pthread_t other;

  late_error_init (&late, -1);
  assert (pthread_create (&other, NULL, look, &late) == 0);
  pthread_mutex_lock (&lock);
  while (asked == 0)
    pthread_cond_wait (&changed, &lock);
  pthread_mutex_unlock (&lock);
  look (&late);
  pthread_join (other, NULL);
  late_error_destroy (&late);
  return 0;
}
