/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checked-math.h"
#include "full-io.h"
#include "splice-pump.h"

#define COPY_MAX (16 << 10)
#define BUFFER_SIZE (64 << 10)
#define PIPE_SIZE (512 << 10)

int
splice_pump_open (struct splice_pump *pump)
{
  struct splice_pump out = { .pipe = { -1, -1 } };
  int size;

  out.buffer = malloc (BUFFER_SIZE);
  if (out.buffer == NULL)
    return -ENOMEM;
  if (pipe2 (out.pipe, O_CLOEXEC) < 0) {
    int error = errno;
    free (out.buffer);
    return -error;
  }
  /* May fail beyond the user's share of pipe memory; a small pipe works. */
  size = fcntl (out.pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
  if (size < 0)
    size = fcntl (out.pipe[1], F_GETPIPE_SZ);
  out.pipe_size = size > 0 ? (size_t) size : 4096;
  *pump = out;
  return 0;
}

void
splice_pump_close (struct splice_pump *pump)
{
  close (pump->pipe[0]);
  close (pump->pipe[1]);
  free (pump->buffer);
}

static int
send_head (int to, const uint8_t *head, size_t length)
{
  while (length > 0) {
    ssize_t n = send (to, head, length, MSG_NOSIGNAL | MSG_MORE);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    head += n;
    length -= (size_t) n;
  }
  return 0;
}

static int
copy_all (struct splice_pump *pump, int from, int to, uint64_t length)
{
  int r = 0;

  while (r == 0 && length > 0) {
    size_t n = (size_t) min_u64 (length, BUFFER_SIZE);

    r = full_recv (from, pump->buffer, n);
    if (r == 0)
      r = full_send (to, pump->buffer, n);
    length -= n;
  }
  return r;
}

/* Head and payload leave in one system call. */
static int
copy_small (struct splice_pump *pump, int from, int to, const uint8_t *head,
            size_t head_length, size_t length)
{
  int r;

  memcpy (pump->buffer, head, head_length);
  r = full_recv (from, pump->buffer + head_length, length);
  if (r == 0)
    r = full_send (to, pump->buffer, head_length + length);
  return r;
}

/* Empties the pipe, which holds LENGTH bytes, into TO; MORE will follow. */
static int
empty_pipe (struct splice_pump *pump, int to, size_t length, bool more)
{
  unsigned flags = SPLICE_F_MOVE | (more ? SPLICE_F_MORE : 0);

  while (length > 0) {
    ssize_t n = splice (pump->pipe[0], NULL, to, NULL, length, flags);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EINVAL) {
      pump->copy = true;
      return copy_all (pump, pump->pipe[0], to, length);
    }
    if (n < 0)
      return -errno;
    if (n == 0)
      return -EPIPE;
    length -= (size_t) n;
  }
  return 0;
}

static int
splice_all (struct splice_pump *pump, int from, int to, uint64_t length)
{
  int r;

  while (length > 0) {
    ssize_t n = splice (from, NULL, pump->pipe[1], NULL,
                        (size_t) min_u64 (length, pump->pipe_size),
                        SPLICE_F_MOVE);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EINVAL)
      pump->copy = true;
    else if (n < 0)
      return -errno;
    else if (n == 0)
      return -ECONNRESET;
    if (pump->copy)
      return copy_all (pump, from, to, length);
    length -= (uint64_t) n;
    r = empty_pipe (pump, to, (size_t) n, length > 0);
    if (r < 0)
      return r;
    if (pump->copy)
      return copy_all (pump, from, to, length);
  }
  return 0;
}

int
splice_pump_move (struct splice_pump *pump, int from, int to,
                  const uint8_t *head, size_t head_length, uint64_t length)
{
  int r;

  if (length <= COPY_MAX)
    return copy_small (pump, from, to, head, head_length, (size_t) length);
  r = send_head (to, head, head_length);
  if (r < 0)
    return r;
  return pump->copy ? copy_all (pump, from, to, length) :
                      splice_all (pump, from, to, length);
}
