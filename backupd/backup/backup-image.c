/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image is opened by way of QEMU's own descriptor.  Where that cannot be
 * found (a QMP socket that is not QEMU's own, no right to look) QEMU itself is
 * asked for the data. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "backup-image.h"
#include "checked-math.h"
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

static int
open_as_qemu_has (const struct qmp_image *found, int *fd)
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
image_open (const struct qmp_survey *survey, const char *filename,
            struct backup_image *image, const char **what)
{
  struct qmp_image found;
  int r;

  *what = "not found among QEMU's open files";
  r = qmp_survey_find (survey, filename, &found);
  if (r < 0)
    return r;
  *what = "QEMU may have opened another file by this name";
  r = qmp_survey_is_certain (survey, filename, &found);
  if (r < 0)
    return r;
  *what = "cannot open it";
  r = open_as_qemu_has (&found, &image->fd);
  if (r < 0)
    return r;
  file_identity_text (&found.st, image->id);
  image->can_be_written = found.can_be_written;
  return image_size (image->fd, &image->size);
}

int
backup_image_find (const struct qmp_survey *survey, const char *filename,
                   struct backup_image **image, const char **what)
{
  struct backup_image *found = g_new0 (struct backup_image, 1);
  int r;

  found->fd = -1;
  r = image_open (survey, filename, found, what);
  if (r < 0)
    backup_image_close (found);
  else
    *image = found;
  return r;
}

/* The guest sees it rounded up to 512 bytes; anything else means that offsets
 * or ends differ (a raw node with "offset" or "size"). */
static int
find_of_disk (const struct qmp_survey *survey, const struct qmp_disk *disk,
              struct backup_image **image, const char **what)
{
  int r = backup_image_find (survey, disk->filename, image, what);

  if (r < 0 || round_up_pow2 ((*image)->size, 512) == disk->size)
    return r;
  backup_image_close (*image);
  *image = NULL;
  *what = "its size is not the disk's";
  return -EINVAL;
}

struct backup_image *
backup_image_open (const struct qmp_survey *survey,
                   const struct qmp_disk *disk, pid_t qemu_pid)
{
  struct backup_image *image = NULL;
  const char *what;
  int r;

  if (!is_plain_layout (disk))
    return NULL;
  r = find_of_disk (survey, disk, &image, &what);
  if (r < 0)
    log_disk_info (disk->name, "disk %s goes through QEMU (process %d): %s: "
                   "%s: %s", disk->name, (int) qemu_pid, disk->filename, what,
                   g_strerror (-r));
  return image;
}

struct backup_image *
backup_image_remembered (const char *id, uint64_t size)
{
  struct backup_image *image = g_new0 (struct backup_image, 1);

  image->fd = -1;
  image->size = size;
  g_strlcpy (image->id, id, sizeof image->id);
  return image;
}

static bool
is_image (const struct backup_image *image, int fd)
{
  char id[FILE_IDENTITY_SIZE];
  struct stat st;
  uint64_t size;

  if (fstat (fd, &st) < 0 || image_size (fd, &size) < 0)
    return false;
  file_identity_text (&st, id);
  return strcmp (id, image->id) == 0 && size >= image->size;
}

int
backup_image_reopen (struct backup_image *image, int view, unsigned number,
                     pid_t qemu_pid)
{
  int fd = view < 0 ? -1 : pidfd_getfd (view, (int) number, 0);
  struct qmp_image found;
  int r;

  if (fd < 0 || !is_image (image, fd)) {
    if (fd >= 0)
      close (fd);
    r = qmp_image_find_by_id (image->id, qemu_pid, &found);
    if (r == 0)
      r = open_as_qemu_has (&found, &fd);
    if (r < 0)
      return r;
  }
  image->fd = fd;
  return is_image (image, fd) ? 0 : -ESTALE;
}

char *
backup_image_problem (const struct backup_image *image, const char *disk,
                      const struct qmp_survey *survey)
{
  struct qmp_image found = { .number = -1 };
  uint64_t size;

  if (image_size (image->fd, &size) < 0 || size < image->size)
    return g_strdup_printf ("the image of disk %s has become shorter", disk);
  if (fstat (image->fd, &found.st) < 0 || qmp_survey_look (survey, &found) < 0 ||
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
  g_free (image->node);
  g_free (image->file);
  g_free (image);
}

static void
image_free (gpointer data)
{
  backup_image_close (data);
}

GPtrArray *
backup_image_list (void)
{
  return g_ptr_array_new_with_free_func (image_free);
}
