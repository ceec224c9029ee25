/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors may be anything that a user names: a short count is no error of
 * theirs, and what is no socket cannot be told to send no signal. */
#include <config.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "full-io.h"

int
full_pread (int fd, void *buffer, size_t length, uint64_t offset)
{
  char *p = buffer;

  while (length > 0) {
    ssize_t r = pread (fd, p, length, (off_t) offset);
    if (r < 0 && errno == EINTR)
      continue;
    if (r < 0)
      return -errno;
    if (r == 0)
      return -EIO;
    p += r;
    length -= (size_t) r;
    offset += (uint64_t) r;
  }
  return 0;
}

int
full_pwrite (int fd, const void *buffer, size_t length, uint64_t offset)
{
  const char *p = buffer;

  while (length > 0) {
    ssize_t r = pwrite (fd, p, length, (off_t) offset);
    if (r < 0 && errno == EINTR)
      continue;
    if (r < 0)
      return -errno;
    p += r;
    length -= (size_t) r;
    offset += (uint64_t) r;
  }
  return 0;
}

int
full_recv (int fd, void *buffer, size_t length)
{
  char *p = buffer;

  while (length > 0) {
    ssize_t r = read (fd, p, length);
    if (r < 0 && errno == EINTR)
      continue;
    if (r < 0)
      return -errno;
    if (r == 0)
      return -ECONNRESET;
    p += r;
    length -= (size_t) r;
  }
  return 0;
}

int
full_send (int fd, const void *buffer, size_t length)
{
  const char *p = buffer;

  while (length > 0) {
    ssize_t r = send (fd, p, length, MSG_NOSIGNAL);
    if (r < 0 && errno == ENOTSOCK)
      r = write (fd, p, length);
    if (r < 0 && errno == EINTR)
      continue;
    if (r < 0)
      return -errno;
    p += r;
    length -= (size_t) r;
  }
  return 0;
}
