/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io-ring.h"

#define FILE_SIZE 5000003u
#define SPAN (FILE_SIZE + 70000)

static char *content, *got;

static struct io_request
request (int fd, size_t at, size_t length, uint32_t align)
{
  return (struct io_request) {
    .fd = fd, .buffer = got + at, .length = length, .offset = at,
    .align = align, .zero_behind_end = true,
  };
}

/* All of the file and more, as one request and as many of odd lengths. */
static void
check_content (int fd, uint32_t align)
{
  struct io_batch batch = { .count = 0 };
  struct io_request one = request (fd, 0, SPAN, align);
  size_t at, n;

  memset (got, '?', SPAN);
  assert (io_batch_add (&batch, &one) == 0);
  assert (io_batch_read (&batch) == 0 && batch.count == 0);
  assert (memcmp (got, content, SPAN) == 0);

  memset (got, '?', SPAN);
  for (at = 0, n = 1; at < SPAN; at += n, n = n * 3 % 99991 + 1) {
    if (n > SPAN - at)
      n = SPAN - at;
    one = request (fd, at, n, align);
    if (io_batch_add (&batch, &one) == -ENOBUFS) {
      assert (batch.count == IO_BATCH_MAX);
      assert (io_batch_read (&batch) == 0);
      assert (io_batch_add (&batch, &one) == 0);
    }
  }
  assert (io_batch_read (&batch) == 0);
  assert (memcmp (got, content, SPAN) == 0);
}

static void
check_errors (int fd)
{
  struct io_batch batch = { .count = 0 };
  struct io_request good = request (fd, 0, 4096, 0);
  struct io_request bad = request (-1, 4096, 4096, 0);
  struct io_request behind = request (fd, FILE_SIZE - 1, 2, 0);

  assert (io_batch_read (&batch) == 0);
  assert (io_batch_add (&batch, &good) == 0);
  assert (io_batch_add (&batch, &bad) == 0);
  assert (io_batch_add (&batch, &good) == 0);
  assert (io_batch_read (&batch) == -EBADF && batch.count == 0);

  behind.zero_behind_end = false;
  assert (io_batch_add (&batch, &behind) == 0);
  assert (io_batch_read (&batch) == -EIO);
  assert (io_batch_add (&batch, &good) == 0);
  assert (io_batch_add (&batch, &behind) == 0);
  assert (io_batch_read (&batch) == -EIO);
}

/* No descriptor is left for a ring: pread does it. */
static void
check_without_ring (int fd, int direct)
{
  struct rlimit none = { 0, 0 }, before;
  struct io_uring ring;

  io_ring_free_all ();
  assert (getrlimit (RLIMIT_NOFILE, &before) == 0);
  none.rlim_max = before.rlim_max;
  assert (setrlimit (RLIMIT_NOFILE, &none) == 0);
  assert (io_uring_queue_init (2, &ring, 0) < 0);
  check_content (fd, 0);
  check_errors (fd);
  if (direct >= 0)
    check_content (direct, 4096);
  assert (setrlimit (RLIMIT_NOFILE, &before) == 0);
}

int
main (void)
{
  char path[] = "test-io-ring-XXXXXX";
  int fd = mkstemp (path), direct;
  size_t i;

  assert (fd >= 0);
  direct = open (path, O_RDONLY | O_DIRECT);
  unlink (path);
  content = calloc (1, SPAN);
  got = malloc (SPAN);
  assert (content != NULL && got != NULL);
  for (i = 0; i < FILE_SIZE; i++)
    content[i] = (char) (i * 2654435761u >> 16);
  assert (write (fd, content, FILE_SIZE) == (ssize_t) FILE_SIZE);
  check_content (fd, 0);
  check_errors (fd);
  if (direct >= 0)
    check_content (direct, 4096);
  else
    printf ("no O_DIRECT here: not checked\n");
  check_without_ring (fd, direct);
  io_ring_free_all ();
  free (content);
  free (got);
  close (fd);
  if (direct >= 0)
    close (direct);
  return 0;
}
