/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What costs is the number of system calls, so pipes are large, and the head
 * goes into the pipe before the payload, to leave with the first of it.
 * Whatever the kernel refuses to splice turns this pump to copying, in the
 * middle of a payload if need be. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "checked-math.h"
#include "full-io.h"
#include "gateway-pump.h"

#define COPY_MAX (16 << 10)
#define BUFFER_SIZE (64 << 10)
#define PIPE_SIZE (512 << 10)
#define PIPE_SIZE_MIN (64 << 10)
/* Of that size, all connections together; what is in a pipe is memory that
 * nobody sees.  The others have the kernel's default. */
#define PIPES_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned large_pipes;    /* protected by lock */

static bool
take_large (void)
{
  bool taken;

  pthread_mutex_lock (&lock);
  taken = large_pipes < PIPES_MAX;
  large_pipes += taken;
  pthread_mutex_unlock (&lock);
  return taken;
}

static void
give_large (void)
{
  pthread_mutex_lock (&lock);
  large_pipes--;
  pthread_mutex_unlock (&lock);
}

int
gateway_pump_open (struct gateway_pump *pump)
{
  struct gateway_pump out = { .pipe = { -1, -1 } };
  int size = -1;

  out.buffer = malloc (BUFFER_SIZE);
  if (out.buffer == NULL)
    return -ENOMEM;
  if (pipe2 (out.pipe, O_CLOEXEC) < 0) {
    int error = errno;
    free (out.buffer);
    return -error;
  }
  /* May fail beyond the user's share of pipe memory.  A pipe of a page or two
   * is no better than copying, and could be full of the head alone. */
  out.large = take_large ();
  if (out.large)
    size = fcntl (out.pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
  if (size < 0)
    size = fcntl (out.pipe[1], F_GETPIPE_SZ);
  out.copy = size < PIPE_SIZE_MIN;
  out.pipe_size = size > 0 ? (size_t) size : 4096;
  *pump = out;
  return 0;
}

void
gateway_pump_close (struct gateway_pump *pump)
{
  if (pump->large)
    give_large ();
  close (pump->pipe[0]);
  close (pump->pipe[1]);
  free (pump->buffer);
}

/* Puts HEAD into the pipe, which is empty, so that it leaves together with
 * the first of the payload: a reader is not woken for the head alone. */
static int
pipe_head (struct gateway_pump *pump, const uint8_t *head, size_t length)
{
  ssize_t n;

  do
    n = write (pump->pipe[1], head, length);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return -errno;
  return (size_t) n == length ? 0 : -EIO;
}

/* Receives LENGTH bytes of payload into BUFFER. */
static int
receive (struct gateway_pump *pump, int from, uint8_t *buffer, size_t length)
{
  int r = full_recv (from, buffer, length);

  if (r < 0)
    pump->from_lost = true;
  else
    pump->left -= length;
  return r;
}

static int
copy_left (struct gateway_pump *pump, int from, int to)
{
  int r = 0;

  while (r == 0 && pump->left > 0) {
    size_t n = (size_t) min_u64 (pump->left, BUFFER_SIZE);

    r = receive (pump, from, pump->buffer, n);
    if (r == 0)
      r = full_send (to, pump->buffer, n);
  }
  return r;
}

/* Head and payload leave in one system call. */
static int
copy_small (struct gateway_pump *pump, int from, int to, const uint8_t *head,
            size_t head_length)
{
  size_t length = (size_t) pump->left;
  int r;

  memcpy (pump->buffer, head, head_length);
  r = receive (pump, from, pump->buffer + head_length, length);
  if (r == 0)
    r = full_send (to, pump->buffer, head_length + length);
  return r;
}

/* For a kernel that cannot splice into TO. */
static int
copy_pipe (struct gateway_pump *pump, int to, size_t length)
{
  int r = 0;

  while (r == 0 && length > 0) {
    size_t n = (size_t) min_u64 (length, BUFFER_SIZE);

    r = full_recv (pump->pipe[0], pump->buffer, n);
    if (r == 0)
      r = full_send (to, pump->buffer, n);
    length -= n;
  }
  return r;
}

/* Empties the pipe, which holds LENGTH bytes, into TO; MORE will follow. */
static int
empty_pipe (struct gateway_pump *pump, int to, size_t length, bool more)
{
  unsigned flags = SPLICE_F_MOVE | (more ? SPLICE_F_MORE : 0);

  while (length > 0) {
    ssize_t n = splice (pump->pipe[0], NULL, to, NULL, length, flags);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EINVAL) {
      pump->copy = true;
      return copy_pipe (pump, to, length);
    }
    if (n < 0)
      return -errno;
    if (n == 0)
      return -EPIPE;
    length -= (size_t) n;
  }
  return 0;
}

/* Fills the pipe with payload and returns how much.  0: cannot splice. */
static ssize_t
fill_pipe (struct gateway_pump *pump, int from)
{
  ssize_t n;

  do
    n = splice (from, NULL, pump->pipe[1], NULL,
                (size_t) min_u64 (pump->left, pump->pipe_size), SPLICE_F_MOVE);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EINVAL) {
    pump->copy = true;
    return 0;
  }
  if (n <= 0) {
    pump->from_lost = true;
    return n < 0 ? -errno : -ECONNRESET;
  }
  pump->left -= (uint64_t) n;
  return n;
}

/* IN_PIPE bytes are in the pipe already. */
static int
splice_left (struct gateway_pump *pump, int from, int to, size_t in_pipe)
{
  while (pump->left > 0 && !pump->copy) {
    ssize_t n = fill_pipe (pump, from);
    int r = n >= 0 ? empty_pipe (pump, to, in_pipe + (size_t) n,
                                 pump->left > 0) : (int) n;

    if (r < 0)
      return r;
    in_pipe = 0;
  }
  return copy_left (pump, from, to);
}

int
gateway_pump_move (struct gateway_pump *pump, int from, int to,
                   const uint8_t *head, size_t head_length, uint64_t length)
{
  int r;

  pump->left = length;
  pump->from_lost = false;
  if (length <= COPY_MAX)
    return copy_small (pump, from, to, head, head_length);
  if (pump->copy)
    r = full_send (to, head, head_length);
  else
    r = pipe_head (pump, head, head_length);
  return r < 0 ? r : splice_left (pump, from, to,
                                  pump->copy ? 0 : head_length);
}

/* --- in two steps ------------------------------------------------------ */

bool
gateway_pump_holds (const struct gateway_pump *pump)
{
  return !pump->copy && pump->pipe_size >= 2 * GATEWAY_PUMP_HOLDS;
}

/* What the socket has of LENGTH bytes.  0: it must be waited for, or the pipe is full. */
static ssize_t
take_some (struct gateway_pump *pump, int from, size_t length)
{
  ssize_t n;

  do
    n = splice (from, NULL, pump->pipe[1], NULL, length,
                SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (n < 0 && errno == EINTR);
  if (n == 0)
    return -ECONNRESET;
  if (n < 0 && errno == EINVAL)
    pump->copy = true;
  return n > 0 ? n : errno == EAGAIN || pump->copy ? 0 : -errno;
}

/* False: there is something already. */
static bool
wait_for_more (int from)
{
  struct pollfd poller = { .fd = from, .events = POLLIN };

  if (poll (&poller, 1, 0) > 0)
    return false;
  while (poll (&poller, 1, -1) < 0)
    ;
  return true;
}

int
gateway_pump_fill (struct gateway_pump *pump, int from, const uint8_t *here,
                   size_t n_here, size_t length, struct pulse *pulse,
                   size_t *in_pipe)
{
  size_t done = n_here;
  unsigned stuck = 0;
  int r = n_here == 0 ? 0 : pipe_head (pump, here, n_here);

  while (r == 0 && done < length && !pump->copy) {
    ssize_t n = take_some (pump, from, length - done);

    if (n < 0)
      return (int) n;
    if (n > 0) {
      gateway_pulse_touch (pulse);
      done += (size_t) n;
    }
    /* Once it may have come between two looks; twice there is no place for it. */
    stuck = n > 0 || wait_for_more (from) ? 0 : stuck + 1;
    if (stuck == 2)
      break;
  }
  *in_pipe = done;
  return r;
}

int
gateway_pump_empty (struct gateway_pump *pump, int to, const uint8_t *head,
                    size_t head_length, size_t length)
{
  int r = full_send (to, head, head_length);

  return r < 0 ? r : empty_pipe (pump, to, length, false);
}

int
gateway_pump_get (struct gateway_pump *pump, uint8_t *buffer, size_t length)
{
  return full_recv (pump->pipe[0], buffer, length);
}

int
gateway_pump_discard (struct gateway_pump *pump, int from, uint64_t length)
{
  int r = 0;

  pump->left = length;
  while (r == 0 && pump->left > 0)
    r = receive (pump, from, pump->buffer,
                 (size_t) min_u64 (pump->left, BUFFER_SIZE));
  return r;
}

int
gateway_pump_send (int to, const uint8_t *head, size_t head_length,
                   const void *data, size_t length)
{
  struct iovec parts[2] = { { (void *) head, head_length },
                            { (void *) data, length } };
  struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

  while (parts[0].iov_len + parts[1].iov_len > 0) {
    ssize_t n = sendmsg (to, &message, MSG_NOSIGNAL);
    size_t of_head;

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    of_head = (size_t) min_u64 ((uint64_t) n, parts[0].iov_len);
    parts[0].iov_base = (char *) parts[0].iov_base + of_head;
    parts[0].iov_len -= of_head;
    parts[1].iov_base = (char *) parts[1].iov_base + ((size_t) n - of_head);
    parts[1].iov_len -= (size_t) n - of_head;
  }
  return 0;
}
