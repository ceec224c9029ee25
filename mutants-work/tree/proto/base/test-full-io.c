/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system calls below say what a script tells them to: short counts, EINTR,
 * and errors. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "full-io.h"

#define SIZE 1000

/* Each call takes the next: at most so many bytes, or -errno. */
static const int *script;
static unsigned script_left;
static char content[SIZE], got[SIZE];
static int fd;

ssize_t __real_pread (int file, void *buffer, size_t length, off_t offset);
ssize_t __wrap_pread (int file, void *buffer, size_t length, off_t offset);
ssize_t __real_pwrite (int file, const void *buffer, size_t length, off_t offset);
ssize_t __wrap_pwrite (int file, const void *buffer, size_t length, off_t offset);
ssize_t __real_read (int file, void *buffer, size_t length);
ssize_t __wrap_read (int file, void *buffer, size_t length);
ssize_t __real_send (int file, const void *buffer, size_t length, int flags);
ssize_t __wrap_send (int file, const void *buffer, size_t length, int flags);

/* False: the call fails. */
static bool
scripted (size_t *length)
{
  if (script_left == 0)
    return true;
  script_left--;
  if (*script < 0) {
    errno = -*script++;
    return false;
  }
  if ((size_t) *script < *length)
    *length = (size_t) *script;
  script++;
  return true;
}

ssize_t
__wrap_pread (int file, void *buffer, size_t length, off_t offset)
{
  return scripted (&length) ? __real_pread (file, buffer, length, offset) : -1;
}

ssize_t
__wrap_pwrite (int file, const void *buffer, size_t length, off_t offset)
{
  return scripted (&length) ? __real_pwrite (file, buffer, length, offset) : -1;
}

ssize_t
__wrap_read (int file, void *buffer, size_t length)
{
  return scripted (&length) ? __real_read (file, buffer, length) : -1;
}

ssize_t
__wrap_send (int file, const void *buffer, size_t length, int flags)
{
  return scripted (&length) ? __real_send (file, buffer, length, flags) : -1;
}

#define SCRIPT(...) \
  (script = (const int[]) { __VA_ARGS__ }, \
   script_left = sizeof ((const int[]) { __VA_ARGS__ }) / sizeof (int))

static void
check_read (void)
{
  SCRIPT (1, 300, -EINTR, 7);
  memset (got, 0, SIZE);
  assert (full_pread (fd, got, SIZE, 0) == 0 && script_left == 0);
  assert (memcmp (got, content, SIZE) == 0);
  SCRIPT (-EINTR, 100, -EIO);
  assert (full_pread (fd, got, SIZE, 0) == -EIO && script_left == 0);
  SCRIPT (-EAGAIN);
  assert (full_pread (fd, got, SIZE, 0) == -EAGAIN);
  /* The end of the file is an error, and so is an end that comes too early. */
  assert (full_pread (fd, got, 2, SIZE - 1) == -EIO);
  SCRIPT (100, 0);
  assert (full_pread (fd, got, SIZE, 0) == -EIO);
}

static void
check_write (void)
{
  char other[SIZE];

  memset (other, 'w', SIZE);
  SCRIPT (1, 300, -EINTR, 7);
  assert (full_pwrite (fd, other, SIZE, 0) == 0 && script_left == 0);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  assert (memcmp (got, other, SIZE) == 0);
  SCRIPT (100, -ENOSPC);
  assert (full_pwrite (fd, content, SIZE, 0) == -ENOSPC);
  assert (full_pread (fd, got, SIZE, 0) == 0);
  assert (memcmp (got, content, 100) == 0);
  assert (memcmp (got + 100, other, SIZE - 100) == 0);
}

static void
check_stream (void)
{
  int ends[2];

  assert (socketpair (AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  SCRIPT (3, -EINTR, 400);
  assert (full_send (ends[0], content, SIZE) == 0 && script_left == 0);
  SCRIPT (5, -EINTR, 6);
  memset (got, 0, SIZE);
  assert (full_recv (ends[1], got, SIZE) == 0 && script_left == 0);
  assert (memcmp (got, content, SIZE) == 0);
  SCRIPT (-ECONNRESET);
  assert (full_recv (ends[1], got, 1) == -ECONNRESET);
  assert (full_send (ends[0], content, 10) == 0);
  close (ends[0]);
  assert (full_recv (ends[1], got, 11) == -ECONNRESET);
  assert (full_send (ends[1], content, 1) == -EPIPE);
  close (ends[1]);
}

static void
check_files (const char *path)
{
  char other[64], *text = NULL;
  size_t length = 0;

  snprintf (other, sizeof other, "%s.link", path);
  assert (file_replace (path, content, SIZE) == 0);
  assert (file_read (path, SIZE, &text, &length) == 0);
  assert (length == SIZE && memcmp (text, content, SIZE) == 0);
  assert (text[SIZE] == '\0');
  free (text);
  assert (file_read (path, SIZE - 1, &text, NULL) == -EFBIG);
  assert (symlink (path, other) == 0);
  assert (file_read (other, SIZE, &text, NULL) == -ELOOP);
  assert (file_read (".", SIZE, &text, NULL) == -EINVAL);
  assert (file_remove (other) == 0 && file_remove (path) == 0);
  assert (file_remove (path) == 0);
  assert (file_read (path, SIZE, &text, NULL) == -ENOENT);
}

int
main (void)
{
  char path[] = "test-full-io-XXXXXX";
  size_t i;

  fd = mkstemp (path);
  assert (fd >= 0);
  unlink (path);
  for (i = 0; i < SIZE; i++)
    content[i] = (char) (i % 251);
  assert (full_pwrite (fd, content, SIZE, 0) == 0);
  check_read ();
  check_write ();
  check_stream ();
  check_files (path);
  close (fd);
  return 0;
}
