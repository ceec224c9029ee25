/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A path is resolved first and opened then, without links.  If a part of it is exchanged in
 * between the open fails, or the kernel's name of what was opened is another one. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <glib.h>

#include "restore-place.h"

static bool
is_below (const char *path, const char *folder)
{
  size_t length = strlen (folder);

  while (length > 0 && folder[length - 1] == '/')
    length--;
  return strncmp (path, folder, length) == 0 && path[length] == '/' &&
         path[length + 1] != '\0';
}

/* One of FOLDERS that cannot be resolved allows nothing. */
static bool
is_allowed (const char *path, const char *const *folders)
{
  if (folders == NULL)
    return true;
  for (; *folders != NULL; folders++) {
    CLEANUP_FREE char *resolved = realpath (*folders, NULL);

    if (resolved != NULL && is_below (path, resolved))
      return true;
  }
  return false;
}

/* Is FD the file that is called PATH? */
static bool
is_called (int fd, const char *path)
{
  char link[32], name[PATH_MAX];
  ssize_t n;

  snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
  n = readlink (link, name, sizeof name);
  return n > 0 && (size_t) n == strlen (path) &&
         memcmp (name, path, (size_t) n) == 0;
}

/* --- resolving ------------------------------------------------------------ */

static int
resolve_failure (const char *path, bool is_new, struct failure *why)
{
  int error = errno;

  if (error == ENOENT && !is_new)
    return failure_set (why, FAILURE_BAD_ARGUMENT, error, "%s does not exist: "
                        "to make a new image, say --create FORMAT and --size "
                        "SIZE", path);
  if (error == ENOENT)
    return failure_set (why, FAILURE_BAD_ARGUMENT, error,
                        "the folder of %s does not exist", path);
  return failure_set (why, FAILURE_BAD_ARGUMENT, error,
                      "%s cannot be looked at: %s", path, g_strerror (error));
}

static int
resolve_new (const char *path, char **ret, struct failure *why)
{
  const char *name = strrchr (path, '/') + 1;
  g_autofree char *folder = g_strndup (path, (gsize) (name - path));
  CLEANUP_FREE char *resolved = NULL;

  if (name[0] == '\0' || strcmp (name, ".") == 0 || strcmp (name, "..") == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EISDIR,
                        "%s is a folder, and no name of an image", path);
  resolved = realpath (folder, NULL);
  if (resolved == NULL)
    return resolve_failure (path, true, why);
  *ret = g_build_filename (resolved, name, NULL);
  return 0;
}

static int
resolve (const char *path, bool is_new, char **ret, struct failure *why)
{
  CLEANUP_FREE char *resolved = NULL;

  if (path[0] != '/')
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the image %s must "
                        "be given by an absolute path", path);
  if (is_new)
    return resolve_new (path, ret, why);
  resolved = realpath (path, NULL);
  if (resolved == NULL)
    return resolve_failure (path, false, why);
  *ret = g_strdup (resolved);
  return 0;
}

/* --- the calls --------------------------------------------------------------- */

static int
open_folder (const char *folder)
{
  struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                          .resolve = RESOLVE_NO_SYMLINKS };
  int fd = (int) syscall (SYS_openat2, AT_FDCWD, folder, &how, sizeof how);

  if (fd < 0)
    return -errno;
  if (is_called (fd, folder))
    return fd;
  close (fd);
  return -ESTALE;
}

void
restore_place_remember (const char *path, struct restore_place *place)
{
  place->path = g_strdup (path);
  place->folder = g_path_get_dirname (path);
  place->name = strrchr (place->path, '/') + 1;
  place->fd = -1;
}

int
restore_place_reopen (struct restore_place *place)
{
  int fd = place->fd >= 0 ? place->fd : open_folder (place->folder);

  if (fd < 0)
    return fd;
  place->fd = fd;
  return 0;
}

int
restore_place_reopen_same (struct restore_place *place, ino_t *folder)
{
  bool is_open = place->fd >= 0;
  struct stat st;
  int r = restore_place_reopen (place);

  if (r < 0)
    return r == -ENOENT || r == -ESTALE || r == -ENOTDIR ? -ENODEV : r;
  if (fstat (place->fd, &st) < 0)
    return -errno;
  if (!is_open && *folder != 0 && st.st_ino != *folder) {
    close (place->fd);
    place->fd = -1;
    return -ENODEV;
  }
  *folder = st.st_ino;
  return 0;
}

int
restore_place_open (const char *path, bool is_new, const char *const *folders,
                    struct restore_place *place, struct failure *why)
{
  g_autofree char *resolved = NULL;
  struct restore_place found;
  int r = resolve (path, is_new, &resolved, why);

  if (r < 0)
    return r;
  if (!is_allowed (resolved, folders))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EPERM, "%s%s%s is outside "
                        "the folders that --restore-folder of the daemon "
                        "allows", path,
                        strcmp (path, resolved) == 0 ? "" : ", which is ",
                        strcmp (path, resolved) == 0 ? "" : resolved);
  restore_place_remember (resolved, &found);
  r = restore_place_reopen (&found);
  if (r == 0) {
    *place = found;
    return 0;
  }
  failure_set (why, FAILURE_STORAGE, -r, "the folder %s cannot be opened: %s",
               found.folder, r == -ELOOP || r == -ESTALE
               ? "it was exchanged for another one" : g_strerror (-r));
  restore_place_close (&found);
  return r;
}

int
restore_place_open_file (const struct restore_place *place, int flags)
{
  int fd = openat (place->fd, place->name, flags | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    return -errno;
  if (is_called (fd, place->path))
    return fd;
  close (fd);
  return -ESTALE;
}

void
restore_place_close (struct restore_place *place)
{
  if (place->fd >= 0)
    close (place->fd);
  g_free (place->path);
  g_free (place->folder);
  *place = (struct restore_place) { .fd = -1 };
}
