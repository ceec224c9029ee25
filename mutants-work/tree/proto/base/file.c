/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A name is never that of half a file, and what a caller was told is replaced
 * is so after a crash of the machine, too: hence both fsyncs, of the file before
 * it gets the name, of the folder after. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "full-io.h"

int
file_read (const char *path, size_t max, char **ret, size_t *length)
{
  CLEANUP_FD int fd =
    open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  CLEANUP_FREE char *text = NULL;
  struct stat st;
  int r;

  if (fd < 0 || fstat (fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode))
    return -EINVAL;
  if ((uint64_t) st.st_size > max)
    return -EFBIG;
  text = malloc ((size_t) st.st_size + 1);
  if (text == NULL)
    return -ENOMEM;
  r = full_pread (fd, text, (size_t) st.st_size, 0);
  if (r < 0)
    return r;
  text[st.st_size] = '\0';
  if (length != NULL)
    *length = (size_t) st.st_size;
  *ret = text;
  text = NULL;
  return 0;
}

static int
sync_parent_folder (const char *path)
{
  char copy[PATH_MAX];
  CLEANUP_FD int fd = -1;

  if ((size_t) snprintf (copy, sizeof copy, "%s", path) >= sizeof copy)
    return -ENAMETOOLONG;
  fd = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 || fsync (fd) < 0)
    return -errno;
  return 0;
}

int
file_make_folder (const char *path, mode_t mode)
{
  if (mkdir (path, mode) < 0)
    return errno == EEXIST ? 0 : -errno;
  return sync_parent_folder (path);
}

int
file_remove (const char *path)
{
  return unlink (path) < 0 && errno != ENOENT ? -errno
         : sync_parent_folder (path);
}

static int
write_temporary (const char *path, const void *data, size_t length)
{
  CLEANUP_FD int fd =
    open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int r;

  if (fd < 0)
    return -errno;
  r = full_pwrite (fd, data, length, 0);
  if (r < 0)
    return r;
  return fsync (fd) < 0 ? -errno : 0;
}

static int
temporary_name (const char *path, char *name, size_t size)
{
  return (size_t) snprintf (name, size, "%s.tmp", path) < size
         ? 0 : -ENAMETOOLONG;
}

void
file_replace_tidy (const char *path)
{
  char temporary[PATH_MAX];

  if (temporary_name (path, temporary, sizeof temporary) == 0)
    unlink (temporary);
}

int
file_replace (const char *path, const void *data, size_t length)
{
  char temporary[PATH_MAX];
  int r = temporary_name (path, temporary, sizeof temporary);

  if (r < 0)
    return r;
  r = write_temporary (temporary, data, length);
  if (r == 0 && rename (temporary, path) < 0)
    r = -errno;
  if (r < 0) {
    unlink (temporary);
    return r;
  }
  return sync_parent_folder (path);
}
