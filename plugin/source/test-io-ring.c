/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (it does not know what io_uring writes) */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bounce-pool.h"
#include "io-ring.h"

#define FILE_SIZE 5000003u
#define SPAN (FILE_SIZE + 70000)

static char *content, *got;
static int plain_fd;

/* --- results that a file seldom gives ------------------------------------- */

/* What the next reads are said to have brought; behind COUNT: the truth. */
struct script {
  struct {
    int error;                  /* -errno, else */
    int most;                   /* bytes */
  } result[16];
  unsigned count, next, ring_reads, preads;
  const char *into;             /* what pread filled the last time */
};
static struct script script;

/* Bytes of the read that makes a batch one for the ring: one alone is read by
 * pread.  It is not scripted. */
#define COMPANION 1

static int
scripted (int result)
{
  int said = result;

  if (script.next == script.count)
    return result;
  if (script.result[script.next].error != 0)
    said = script.result[script.next].error;
  else if (result > script.result[script.next].most)
    said = script.result[script.next].most;
  script.next++;
  return said;
}

/* The linker's --wrap puts these between io-ring.c and the libraries. */
int __real_io_uring_submit_and_wait (struct io_uring *ring, unsigned count);
int __wrap_io_uring_submit_and_wait (struct io_uring *ring, unsigned count);
ssize_t __real_pread (int fd, void *buffer, size_t length, off_t offset);
ssize_t __wrap_pread (int fd, void *buffer, size_t length, off_t offset);

int
__wrap_io_uring_submit_and_wait (struct io_uring *ring, unsigned count)
{
  int r = __real_io_uring_submit_and_wait (ring, count);
  struct io_uring_cqe *cqe;
  unsigned head;

  /* All that have come, as io-ring.c takes all; none is looked at twice. */
  io_uring_for_each_cqe (ring, head, cqe) {
    if (cqe->flags == 0xffff)
      continue;
    cqe->flags = 0xffff;
    if (cqe->res == COMPANION)
      continue;
    cqe->res = scripted (cqe->res);
    script.ring_reads++;
  }
  return r;
}

ssize_t
__wrap_pread (int fd, void *buffer, size_t length, off_t offset)
{
  ssize_t r;

  assert (length <= BOUNCE_SIZE);       /* all that there is room for */
  r = __real_pread (fd, buffer, length, offset);
  script.preads++;
  script.into = buffer;
  r = scripted (r < 0 ? -errno : (int) r);
  if (r >= 0)
    return r;
  errno = (int) -r;
  return -1;
}

/* --- */

static struct io_request
request (int fd, size_t at, size_t length, uint32_t align)
{
  return (struct io_request) {
    .fd = fd, .buffer = got + at, .length = length, .offset = at,
    .align = align, .memory_align = align, .data_end = FILE_SIZE,
  };
}

/* Reads LENGTH from AT on, by the ring if BY_RING, with RESULT and COUNT as the
 * script; checks the bytes if that succeeds. */
static int
read_scripted (int fd, uint32_t align, bool by_ring, size_t at, size_t length,
               const struct script *wanted)
{
  struct io_ring_batch batch = { .count = 0 };
  struct io_request one = request (fd, at, length, align);
  struct io_request companion = request (plain_fd, 0, COMPANION, 0);
  int r;

  memset (got, '?', SPAN);
  script = *wanted;
  if (by_ring)
    assert (io_ring_batch_add (&batch, &companion) == 0);
  assert (io_ring_batch_add (&batch, &one) == 0);
  r = io_ring_batch_read (&batch);
  assert (script.next == script.count);
  script.count = script.next = 0;
  if (r == 0)
    assert (memcmp (got + at, content + at, length) == 0);
  return r;
}

/* All of the file and more, as one request and as many of odd lengths. */
static void
check_content (int fd, uint32_t align)
{
  struct io_ring_batch batch = { .count = 0 };
  struct io_request one = request (fd, 0, SPAN, align);
  size_t at, n;

  memset (got, '?', SPAN);
  assert (io_ring_batch_add (&batch, &one) == 0);
  assert (io_ring_batch_read (&batch) == 0 && batch.count == 0);
  assert (memcmp (got, content, SPAN) == 0);

  /* Long, from an odd place. */
  memset (got, '?', SPAN);
  one = request (fd, 12345, SPAN - 12345, align);
  assert (io_ring_batch_add (&batch, &one) == 0);
  assert (io_ring_batch_read (&batch) == 0);
  assert (memcmp (got + 12345, content + 12345, SPAN - 12345) == 0);

  memset (got, '?', SPAN);
  for (at = 0, n = 1; at < SPAN; at += n, n = n * 3 % 99991 + 1) {
    if (n > SPAN - at)
      n = SPAN - at;
    one = request (fd, at, n, align);
    if (batch.count == IO_BATCH_MAX)
      assert (io_ring_batch_add (&batch, &one) == -ENOBUFS);
    assert (io_ring_batch_put (&batch, &one) == 0 && batch.count > 0);
  }
  assert (io_ring_batch_read (&batch) == 0);
  assert (memcmp (got, content, SPAN) == 0);
}

static void
check_errors (int fd)
{
  struct io_ring_batch batch = { .count = 0 };
  struct io_request good = request (fd, 0, 4096, 0);
  struct io_request bad = request (-1, 4096, 4096, 0);
  struct io_request behind = request (fd, FILE_SIZE - 1, 2, 0);

  assert (io_ring_batch_read (&batch) == 0);
  assert (io_ring_batch_add (&batch, &good) == 0);
  assert (io_ring_batch_add (&batch, &bad) == 0);
  assert (io_ring_batch_add (&batch, &good) == 0);
  assert (io_ring_batch_read (&batch) == -EBADF && batch.count == 0);

  behind.data_end = UINT64_MAX;
  assert (io_ring_batch_add (&batch, &behind) == 0);
  assert (io_ring_batch_read (&batch) == -EIO);
  assert (io_ring_batch_add (&batch, &good) == 0);
  assert (io_ring_batch_add (&batch, &behind) == 0);
  assert (io_ring_batch_read (&batch) == -EIO);
}

#define SCRIPT(...) &(const struct script) { \
    .result = { __VA_ARGS__ }, \
    .count = sizeof ((int[][2]) { __VA_ARGS__ }) / sizeof (int[2]) }

static void
check_scripted (int fd, uint32_t align, bool by_ring)
{
  const size_t tail = FILE_SIZE - FILE_SIZE % 4096;

  /* Short reads go on where they ended, O_DIRECT at a whole block. */
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ 0, 4096 }, { 0, 8192 })) == 0);
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ 0, 5000 }, { 0, 8191 })) == 0);
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ -EINTR, 0 }, { 0, 4096 },
                                 { -EINTR, 0 })) == 0);
  /* An end in the middle is not zeros. */
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ 0, 0 })) == -EIO);
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ 0, 4096 }, { 0, 0 })) == -EIO);
  assert (read_scripted (fd, align, by_ring, tail, 4096,
                         SCRIPT ({ 0, 0 })) == -EIO);
  if (align != 0)
    assert (read_scripted (fd, align, by_ring, 8192, 65536,
                           SCRIPT ({ 0, 8704 }, { 0, 512 })) == -EIO);
  assert (read_scripted (fd, align, by_ring, 8192, 65536,
                         SCRIPT ({ -EIO, 0 })) == -EIO);
  /* The tail behind the end is. */
  assert (read_scripted (fd, align, by_ring, tail, 65536, SCRIPT ()) == 0);
  assert (read_scripted (fd, align, by_ring, FILE_SIZE + 4096, 512,
                         SCRIPT ()) == 0);
}

/* What the ring will not do is done by pread, once. */
static void
check_again (int fd, uint32_t align)
{
  assert (read_scripted (fd, align, true, 8192, 65536,
                         SCRIPT ({ -EAGAIN, 0 })) == 0);
  assert (script.ring_reads == 1 && script.preads == 1);
  assert (read_scripted (fd, align, true, 8192, 65536,
                         SCRIPT ({ 0, 4096 }, { -EAGAIN, 0 })) == 0);
  assert (script.ring_reads == 2 && script.preads == 1);
  assert (read_scripted (fd, align, true, 8192, 65536,
                         SCRIPT ({ -EAGAIN, 0 }, { -EAGAIN, 0 })) == -EAGAIN);
  assert (read_scripted (fd, align, false, 8192, 65536,
                         SCRIPT ({ -EAGAIN, 0 })) == -EAGAIN);
}

static void
check_faults (int fd, uint32_t align)
{
  struct io_uring ring;

  check_scripted (fd, align, false);
  if (io_uring_queue_init (2, &ring, 0) < 0) {
    printf ("no io_uring here: not checked\n");
    return;
  }
  io_uring_queue_exit (&ring);
  check_scripted (fd, align, true);
  check_again (fd, align);
}

static void
check_bounced (const struct io_request *one, bool bounced)
{
  struct io_ring_batch batch = { .count = 0 };

  assert (io_ring_batch_add (&batch, one) == 0);
  assert (io_ring_batch_read (&batch) == 0);
  assert ((script.into != one->buffer) == bounced);
  assert (memcmp (one->buffer, content + one->offset, one->length) == 0);
}

/* Only where the offset, the length or the buffer asks for it, and of the buffer
 * less may be wanted. */
static void
check_memory_align (int fd)
{
  const size_t at = (64 - (uintptr_t) got % 64) % 64 + 16;
  struct io_request one = {
    .fd = fd, .buffer = got + at, .length = 8192, .offset = 4096,
    .align = 512, .memory_align = 16, .data_end = FILE_SIZE,
  };

  check_bounced (&one, false);
  one.memory_align = 32;
  check_bounced (&one, true);
  one.memory_align = 16;
  one.offset += 16;
  check_bounced (&one, true);
  one.offset -= 16;
  one.length -= 16;
  check_bounced (&one, true);
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
  check_content (fd, 4096);
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
  plain_fd = fd;
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
  check_faults (fd, 0);
  check_memory_align (fd);
  if (direct >= 0) {
    check_content (direct, 4096);
    check_faults (direct, 4096);
  }
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
