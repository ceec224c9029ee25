/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A store is found again by the names of its files alone, also by a daemon that
 * knows nothing of it but folder and disk, so that they are made in one place. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fleece-files.h"
#include "granule-map.h"
#include "name.h"

static int
store_path (const char *folder, const char *disk, const char *suffix,
            char *path, size_t size)
{
  if (!name_is_disk (disk))
    return -EINVAL;
  if ((size_t) snprintf (path, size, "%s/%s.%s", folder, disk, suffix) >= size)
    return -ENAMETOOLONG;
  return 0;
}

int
fleece_data_path (const char *folder, const char *disk, char *path,
                  size_t path_size)
{
  return store_path (folder, disk, "data", path, path_size);
}

int
fleece_present_path (const char *maps, const char *disk, char *path,
                     size_t path_size)
{
  return store_path (maps, disk, "present", path, path_size);
}

int
fleece_consumed_path (const char *maps, const char *disk, char *path,
                      size_t path_size)
{
  return store_path (maps, disk, "consumed", path, path_size);
}

int
fleece_counted_path (const char *maps, const char *disk, char *path,
                     size_t path_size)
{
  return store_path (maps, disk, "counted", path, path_size);
}

int
fleece_dirty_path (const char *maps, const char *disk, const char *label,
                   char *path, size_t path_size)
{
  if (!name_is_disk (disk) || !name_is_label (label))
    return -EINVAL;
  if ((size_t) snprintf (path, path_size, "%s/%s@%s.dirty", maps, disk,
                         label) >= path_size)
    return -ENAMETOOLONG;
  return 0;
}

static int
create_data (const char *path, uint64_t disk_size)
{
  CLEANUP_FD int fd =
    open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  int flags, r;

  if (fd < 0)
    return -errno;
  /* Old data is written once; copy-on-write would only cost. */
  if (ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0) {
    flags |= FS_NOCOW_FL;
    if (ioctl (fd, FS_IOC_SETFLAGS, &flags) < 0)
      flags = 0;
  }
  if (ftruncate (fd, (off_t) disk_size) == 0)
    return 0;
  r = -errno;
  unlink (path);
  return r;
}

/* Both files of the store of a disk of DISK_SIZE bytes. */
static int
store_paths (const char *folder, const char *maps, const char *disk,
             uint64_t disk_size, char data[PATH_MAX], char present[PATH_MAX])
{
  int r = disk_size > INT64_MAX ? -EINVAL
          : fleece_data_path (folder, disk, data, PATH_MAX);

  return r < 0 ? r : fleece_present_path (maps, disk, present, PATH_MAX);
}

int
fleece_store_create (const char *folder, const char *maps, const char *disk,
                     uint64_t disk_size)
{
  char data[PATH_MAX], present[PATH_MAX];
  int r = store_paths (folder, maps, disk, disk_size, data, present);

  if (r == 0)
    r = create_data (data, disk_size);
  if (r < 0)
    return r;
  r = granule_map_create (present, disk_size, GRANULE_DEFAULT);
  if (r < 0)
    unlink (data);
  return r;
}

/* A link or a pipe is somebody else's. */
static int
set_data_size (const char *path, uint64_t disk_size)
{
  CLEANUP_FD int fd = open (path, O_RDWR | O_CLOEXEC | O_NOFOLLOW |
                            O_NONBLOCK);

  return fd < 0 || ftruncate (fd, (off_t) disk_size) < 0 ? -errno : 0;
}

static int
create_broken_map (const char *path, uint64_t disk_size, int error)
{
  struct granule_map *map;
  int r;

  if (unlink (path) < 0 && errno != ENOENT)
    return -errno;
  r = granule_map_create (path, disk_size, GRANULE_DEFAULT);
  if (r == 0)
    r = granule_map_open (path, true, &map);
  if (r < 0)
    return r;
  granule_map_set_broken (map, error);
  granule_map_close (map);
  return 0;
}

int
fleece_store_create_broken (const char *folder, const char *maps,
                            const char *disk, uint64_t disk_size, int error)
{
  char data[PATH_MAX], present[PATH_MAX], made[PATH_MAX];
  int r = store_paths (folder, maps, disk, disk_size, data, present);

  if (r == 0)
    r = store_path (maps, disk, "broken", made, sizeof made);
  if (r == 0)
    r = create_broken_map (made, disk_size, error);
  /* Who opens it sees what it is. */
  if (r == 0 && rename (made, present) < 0)
    r = -errno;
  if (r == 0)
    r = create_data (data, disk_size);
  return r == -EEXIST ? set_data_size (data, disk_size) : r;
}

int
fleece_consume_create (const char *maps, const char *disk, uint64_t disk_size)
{
  char consumed[PATH_MAX], counted[PATH_MAX];
  int r = fleece_consumed_path (maps, disk, consumed, sizeof consumed);

  if (r == 0)
    r = fleece_counted_path (maps, disk, counted, sizeof counted);
  if (r == 0)
    r = granule_map_create (consumed, disk_size, GRANULE_DEFAULT);
  if (r < 0)
    return r;
  r = granule_map_create (counted, disk_size, GRANULE_DEFAULT);
  if (r < 0)
    unlink (consumed);
  return r;
}

static int
remove_one (const char *folder, const char *name)
{
  char path[PATH_MAX];

  if ((size_t) snprintf (path, sizeof path, "%s/%s", folder, name) >=
      sizeof path)
    return -ENAMETOOLONG;
  return unlink (path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Is NAME one of DISK's files? */
static bool
belongs_to (const char *name, const char *disk)
{
  static const char *const plain[] = { ".data", ".present", ".consumed",
                                       ".counted", ".broken" };
  size_t length = strlen (disk), rest, i;

  if (strncmp (name, disk, length) != 0)
    return false;
  name += length;
  for (i = 0; i < sizeof plain / sizeof *plain; i++)
    if (strcmp (name, plain[i]) == 0)
      return true;
  rest = strlen (name);
  return name[0] == '@' && rest > strlen (".dirty") &&
         strcmp (name + rest - strlen (".dirty"), ".dirty") == 0;
}

int
fleece_store_remove (const char *folder, const char *disk)
{
  struct dirent *entry;
  int result = 0, r;
  DIR *dir;

  if (!name_is_disk (disk))
    return -EINVAL;
  dir = opendir (folder);
  if (dir == NULL)
    return errno == ENOENT ? 0 : -errno;
  while (errno = 0, (entry = readdir (dir)) != NULL) {
    if (!belongs_to (entry->d_name, disk))
      continue;
    r = remove_one (folder, entry->d_name);
    if (r < 0 && result == 0)
      result = r;
  }
  if (errno != 0 && result == 0)
    result = -errno;
  closedir (dir);
  return result;
}
