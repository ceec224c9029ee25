/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <sys/socket.h>

#include "deadline.h"
#include "socket.h"
#include "stop-clock.h"

int
socket_wait (int fd, short events, int64_t deadline_ms)
{
  struct pollfd polled = { .fd = fd, .events = events };
  int r = stop_clock_poll (&polled, 1, deadline_ms);

  return r < 0 ? r : 0;
}

int
socket_wait_patiently (int fd, short events, int64_t deadline_ms)
{
  struct pollfd polled = { .fd = fd, .events = events };
  int r;

  do
    r = poll (&polled, 1, ms_left (deadline_ms));
  while ((r < 0 && errno == EINTR) || (r == 0 && ms_left (deadline_ms) > 0));
  return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

int
socket_send (int fd, const void *data, size_t length, int64_t deadline_ms)
{
  const char *p = data;
  ssize_t n;
  int r = 0;

  while (length > 0 && r == 0) {
    n = send (fd, p, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      p += n;
      length -= (size_t) n;
    } else if (errno == EAGAIN)
      r = socket_wait (fd, POLLOUT, deadline_ms);
    else if (errno != EINTR)
      r = -errno;
  }
  return r;
}
