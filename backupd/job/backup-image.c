/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <glib.h>

#include "backup-image.h"
#include "cleanup.h"
#include "log.h"

static bool
is_plain_layout (const struct qmp_disk *disk)
{
  return (strcmp (disk->driver, "raw") == 0 ||
          strcmp (disk->driver, "file") == 0 ||
          strcmp (disk->driver, "host_device") == 0) &&
         disk->filename[0] == '/';
}

/* The guest sees the file's size rounded up to 512 bytes; anything else means
 * that offsets or ends differ (a raw node with "offset" or "size"). */
static bool
size_fits (int fd, const struct stat *st, uint64_t size)
{
  uint64_t bytes;

  if (S_ISREG (st->st_mode))
    bytes = ((uint64_t) st->st_size + 511) & ~(uint64_t) 511;
  else if (!S_ISBLK (st->st_mode) || ioctl (fd, BLKGETSIZE64, &bytes) < 0)
    return false;
  return bytes == size;
}

/* Does process PID have this very file open?  A path may mean something else
 * in its mount namespace, or have been replaced since. */
static bool
is_open_in_process (const struct stat *st, pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) pid);
  DIR *fds = opendir (path);
  struct dirent *entry;
  bool found = false;

  if (fds == NULL)
    return false;
  while (!found && (entry = readdir (fds)) != NULL) {
    struct stat other;

    if (fstatat (dirfd (fds), entry->d_name, &other, 0) < 0)
      continue;
    found = S_ISBLK (st->st_mode)
            ? S_ISBLK (other.st_mode) && other.st_rdev == st->st_rdev
            : other.st_dev == st->st_dev && other.st_ino == st->st_ino;
  }
  closedir (fds);
  return found;
}

char *
backup_image_direct (const struct qmp_disk *disk, pid_t qemu_pid)
{
  CLEANUP_FD int fd = -1;
  struct stat st;

  if (!is_plain_layout (disk))
    return NULL;
  fd = open (disk->filename, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || fstat (fd, &st) < 0) {
    log_info ("disk %s goes through QEMU: %s: %s", disk->name, disk->filename,
              g_strerror (errno));
    return NULL;
  }
  if (!size_fits (fd, &st, disk->size) || !is_open_in_process (&st, qemu_pid)) {
    log_info ("disk %s goes through QEMU: %s is not the file QEMU has open",
              disk->name, disk->filename);
    return NULL;
  }
  return g_strdup (disk->filename);
}
