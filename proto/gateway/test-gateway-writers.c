/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients that this test plays over socketpairs. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "gateway-writers.h"

static struct writers *writers;

static int
join (int fd, int64_t ms)
{
  struct failure why = { 0 };
  int r = gateway_writers_join (writers, fd, now_ms () + ms, &why);

  assert (r == 0 || (r == -ETIMEDOUT && strstr (why.text, "try again")));
  return r;
}

static void
connect_two (int pair[2])
{
  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, pair) == 0);
}

static void *
leave_later (void *opaque)
{
  usleep (100000);
  gateway_writers_leave (writers, *(int *) opaque);
  return NULL;
}

int
main (void)
{
  int a[2], b[2], c[2];
  pthread_t thread;

  assert (gateway_writers_join (NULL, -1, 0, NULL) == 0);
  gateway_writers_leave (NULL, -1);
  writers = gateway_writers_create ();
  assert (writers != NULL);
  connect_two (a);
  connect_two (b);
  connect_two (c);

  /* Side by side nobody waits. */
  assert (join (a[0], 0) == 0 && join (b[0], 0) == 0);
  /* What the lost one has sent is not yet taken. */
  assert (write (a[1], "x", 1) == 1);
  assert (!gateway_writers_is_gone (a[0]));
  close (a[1]);
  assert (gateway_writers_is_gone (a[0]));
  assert (join (c[0], 50) == -ETIMEDOUT);
  assert (pthread_create (&thread, NULL, leave_later, &a[0]) == 0);
  assert (join (c[0], 60000) == 0);
  pthread_join (thread, NULL);

  /* Who only asks no more is waited for, too. */
  assert (shutdown (b[1], SHUT_WR) == 0);
  assert (join (a[0], 0) == -ETIMEDOUT);
  gateway_writers_leave (writers, b[0]);
  gateway_writers_leave (writers, c[0]);
  gateway_writers_free (writers);
  return 0;
}
