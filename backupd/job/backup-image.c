/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A path may mean another file in QEMU's mount namespace, may have got another
 * file since QEMU opened it, and may get one at any time.  So the path only
 * tells which of QEMU's own descriptors to look for, and the image is opened by
 * way of that descriptor.  Where it cannot be found (a QMP socket that is not
 * QEMU's own, no right to look) QEMU itself is asked for the data. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "backup-image.h"
#include "checked-math.h"
#include "cleanup.h"
#include "log.h"

#define FDSET_PREFIX "/dev/fdset/"

/* What QEMU has open, and how. */
struct open_image {
  pid_t pid;
  struct stat st;
  int number;                   /* one of its descriptors; -1: none yet */
  bool bypasses_cache;          /* one of them has O_DIRECT */
};

static bool
is_plain_layout (const struct qmp_disk *disk)
{
  return (strcmp (disk->driver, "raw") == 0 ||
          strcmp (disk->driver, "file") == 0 ||
          strcmp (disk->driver, "host_device") == 0) &&
         disk->filename[0] == '/';
}

static int
image_size (int fd, uint64_t *size)
{
  struct stat st;

  if (fstat (fd, &st) < 0)
    return -errno;
  if (S_ISBLK (st.st_mode))
    return ioctl (fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
  *size = (uint64_t) st.st_size;
  return 0;
}

/* The file status flags of descriptor NUMBER; false if it is gone. */
static bool
descriptor_flags (pid_t pid, const char *number, unsigned *flags)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fdinfo/%s", (int) pid,
                                           number);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return false;
  line = strstr (text, "flags:");
  return line != NULL && sscanf (line, "flags: %o", flags) == 1;
}

/* Takes NUMBER if it is open on the image and its data can be read by it.  One
 * with O_PATH shows no right to the data at all. */
static void
look_at_descriptor (struct open_image *image, int fds, const char *number)
{
  struct stat st;
  unsigned flags;

  if (fstatat (fds, number, &st, 0) < 0 ||
      !file_identity_same (&st, &image->st) ||
      !descriptor_flags (image->pid, number, &flags) ||
      (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY)
    return;
  image->number = atoi (number);
  if ((flags & O_DIRECT) != 0)
    image->bypasses_cache = true;
}

/* Finds all of QEMU's descriptors of the file image->st. */
static int
find_descriptors (struct open_image *image)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) image->pid);
  DIR *fds = opendir (path);
  struct dirent *entry;

  if (fds == NULL)
    return -errno;
  image->number = -1;
  while ((entry = readdir (fds)) != NULL)
    if (entry->d_name[0] != '.')
      look_at_descriptor (image, dirfd (fds), entry->d_name);
  closedir (fds);
  return image->number < 0 ? -ENOENT : 0;
}

/* The file that the descriptors of QEMU's set ID are open on; all of them, as
 * it is QEMU that chose one. */
static int
stat_fdset (struct qmp *qmp, pid_t pid, const char *id, struct stat *st)
{
  struct stat first = { 0 }, one;
  g_autofree int *fds = NULL;
  size_t n = 0;
  int r = qmp_fdset (qmp, strtoll (id, NULL, 10), &fds, &n);

  if (r == 0 && n == 0)
    r = -ENOENT;
  for (size_t i = 0; r == 0 && i < n; i++) {
    g_autofree char *path = g_strdup_printf ("/proc/%d/fd/%d", (int) pid,
                                             fds[i]);

    if (stat (path, &one) < 0)
      return -errno;
    if (i > 0 && !file_identity_same (&one, &first))
      return -EINVAL;
    first = one;
  }
  if (r == 0)
    *st = first;
  return r;
}

static int
open_as_qemu_has (const struct open_image *found, int *fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd/%d",
                                           (int) found->pid, found->number);
  /* Rule V5.  A block device has a page cache that nobody else need use. */
  bool direct = found->bypasses_cache || S_ISBLK (found->st.st_mode);
  int flags = O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0);
  CLEANUP_FD int opened = -1;
  struct stat st;

  if (!S_ISREG (found->st.st_mode) && !S_ISBLK (found->st.st_mode))
    return -EINVAL;
  /* QEMU may have closed it since: O_NONBLOCK, as it may be a FIFO by now. */
  opened = open (path, flags | O_NONBLOCK);
  if (opened < 0 || fstat (opened, &st) < 0)
    return -errno;
  if (!file_identity_same (&st, &found->st))
    return -ESTALE;
  /* The views share this description: io_uring must wait for them. */
  if (fcntl (opened, F_SETFL, flags) < 0)
    return -errno;
  *fd = opened;
  opened = -1;
  return 0;
}

static int
image_open (struct qmp *qmp, const struct qmp_disk *disk, pid_t qemu_pid,
            struct backup_image *image, const char **what)
{
  struct open_image found = { .pid = qemu_pid, .number = -1 };
  int r = 0;

  *what = "cannot look at it";
  if (strncmp (disk->filename, FDSET_PREFIX, strlen (FDSET_PREFIX)) == 0)
    r = stat_fdset (qmp, qemu_pid, disk->filename + strlen (FDSET_PREFIX),
                    &found.st);
  else if (stat (disk->filename, &found.st) < 0)
    r = -errno;
  if (r < 0)
    return r;
  *what = "not found among QEMU's open files";
  r = find_descriptors (&found);
  if (r < 0)
    return r;
  *what = "cannot open it";
  r = open_as_qemu_has (&found, &image->fd);
  if (r < 0)
    return r;
  r = image_size (image->fd, &image->size);
  if (r < 0)
    return r;
  /* The guest sees it rounded up to 512 bytes; anything else means that offsets
   * or ends differ (a raw node with "offset" or "size"). */
  *what = "its size is not the disk's";
  if (round_up_pow2 (image->size, 512) != disk->size)
    return -EINVAL;
  file_identity_text (&found.st, image->id);
  return 0;
}

struct backup_image *
backup_image_open (struct qmp *qmp, const struct qmp_disk *disk,
                   pid_t qemu_pid)
{
  struct backup_image *image;
  const char *what;
  int r;

  if (!is_plain_layout (disk))
    return NULL;
  image = g_new0 (struct backup_image, 1);
  image->fd = -1;
  r = image_open (qmp, disk, qemu_pid, image, &what);
  if (r == 0)
    return image;
  log_info ("disk %s goes through QEMU (process %d): %s: %s: %s", disk->name,
            (int) qemu_pid, disk->filename, what, g_strerror (-r));
  backup_image_close (image);
  return NULL;
}

char *
backup_image_problem (const struct backup_image *image, const char *disk,
                      pid_t qemu_pid)
{
  struct open_image found = { .pid = qemu_pid };
  uint64_t size;

  if (image_size (image->fd, &size) < 0 || size < image->size)
    return g_strdup_printf ("the image of disk %s has become shorter", disk);
  if (fstat (image->fd, &found.st) < 0 || find_descriptors (&found) < 0 ||
      (found.bypasses_cache &&
       (fcntl (image->fd, F_GETFL) & O_DIRECT) == 0))
    return g_strdup_printf ("QEMU has opened the image of disk %s anew, in "
                            "another way", disk);
  return NULL;
}

void
backup_image_close (struct backup_image *image)
{
  if (image == NULL)
    return;
  if (image->fd >= 0)
    close (image->fd);
  g_free (image);
}
