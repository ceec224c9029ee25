/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file is looked at before it is opened, as opening a FIFO or a device does
 * something, and again by its descriptor. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json-members.h"
#include "log.h"
#include "restore-format.h"
#include "restore-lock.h"
#include "restore-target-private.h"

#define SECTOR 512

static int
identify (struct restore_target *target)
{
  struct stat st;

  if (fstat (target->lock_fd, &st) < 0)
    return -errno;
  target->inode = st.st_ino;
  file_identity_text (&st, target->identity);
  return 0;
}

static int
check_name (const struct restore_target *target, struct failure *why)
{
  if (strlen (target->mark) <= NAME_MAX)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, ENAMETOOLONG, "the name of %s "
                      "is too long for a mark beside it: it may have %d bytes",
                      target->place.path,
                      NAME_MAX - (int) strlen (RESTORE_TARGET_MARK));
}

/* --- locks ----------------------------------------------------------------------- */

static int
in_use (const char *path, const char *by, struct failure *why)
{
  return failure_set (why, FAILURE_BUSY, EBUSY, "%s is in use by %s", path,
                      by != NULL ? by : "a process that cannot be seen from "
                      "here");
}

/* The file systems that have no locks have no other way either, but on this host. */
int
restore_target_lock (const char *path, int fd, const struct stat *st,
                     struct failure *why)
{
  int r = restore_lock (fd);
  g_autofree char *who = NULL;

  if (r == -EAGAIN) {
    who = restore_lock_holder (st);
    return in_use (path, who, why);
  }
  if (r == -ENOTSUP)
    log_warning ("%s: its file system has no locks: that nobody else uses it "
                 "is not seen on other hosts", path);
  else if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s cannot be locked: %s",
                        path, g_strerror (-r));
  who = restore_lock_user (st, path);
  return who == NULL ? 0 : in_use (path, who, why);
}

/* --- an image that exists ------------------------------------------------------------ */

static const char *
kind_of (mode_t mode)
{
  return S_ISDIR (mode) ? "a folder" : S_ISSOCK (mode) ? "a socket"
         : S_ISFIFO (mode) ? "a FIFO" : S_ISLNK (mode) ? "a symbolic link"
         : "a character device";
}

static int
check_kind (const char *path, const struct stat *st, struct failure *why)
{
  if (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is %s, and no "
                        "image", path, kind_of (st->st_mode));
  if (S_ISREG (st->st_mode) && (st->st_mode & 0222) == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EROFS, "%s is read-only: "
                        "nobody may write to it by its mode, %04o", path,
                        (unsigned) (st->st_mode & 07777));
  if (S_ISREG (st->st_mode) && st->st_nlink > 1)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EMLINK, "%s has %u names "
                        "(hard links), and would be overwritten under all of "
                        "them: restore to a copy of its own, or to a new image",
                        path, (unsigned) st->st_nlink);
  return 0;
}

static int
open_failure (const char *path, int r, bool block, struct failure *why)
{
  if (r == -EBUSY && block)
    return failure_set (why, FAILURE_BUSY, -r, "%s is in use: it is mounted, "
                        "or a part of another device", path);
  if (r == -ELOOP || r == -ESTALE)
    return failure_set (why, FAILURE_BUSY, -r, "%s was exchanged for another "
                        "file while it was opened", path);
  if (r == -EROFS || r == -EPERM)
    return failure_set (why, FAILURE_BAD_ARGUMENT, -r, "%s is read-only: %s",
                        path, g_strerror (-r));
  return failure_set (why, FAILURE_STORAGE, -r, "%s cannot be opened for "
                      "writing: %s", path, g_strerror (-r));
}

static int
open_file (struct restore_target *target, struct stat *st,
           struct failure *why)
{
  const char *path = target->place.path;
  struct stat before;
  int r, flags = O_RDWR | O_NONBLOCK, read_only = 0;

  if (fstatat (target->place.fd, target->place.name, &before,
               AT_SYMLINK_NOFOLLOW) < 0)
    return open_failure (path, -errno, false, why);
  r = check_kind (path, &before, why);
  if (r < 0)
    return r;
  target->block = S_ISBLK (before.st_mode);
  r = restore_place_open_file (&target->place,
                               flags | (target->block ? O_EXCL : 0));
  if (r < 0)
    return open_failure (path, r, target->block, why);
  target->lock_fd = r;
  if (fstat (r, st) < 0 || !file_identity_same (&before, st))
    return open_failure (path, -ESTALE, false, why);
  if (target->block && ioctl (r, BLKROGET, &read_only) == 0 && read_only)
    return open_failure (path, -EROFS, true, why);
  return 0;
}

static int
check_mark (struct restore_target *target, bool take_over, struct failure *why)
{
  target->marked_by = target->block ? NULL : restore_target_read_mark (target);
  if (target->marked_by == NULL || take_over ||
      strcmp (target->marked_by, target->restore) == 0)
    return 0;
  if (target->marked_by[0] == '\0')
    return failure_set (why, FAILURE_BUSY, EBUSY, "%s is only half restored, as "
                        "%s" RESTORE_TARGET_MARK " says: remove that to go on",
                        target->place.path, target->place.path);
  return failure_set (why, FAILURE_BUSY, EBUSY, "%s is only half restored, by "
                      "restore %s: begin that again, or end it by "
                      "restore-abort %s --forget", target->place.path,
                      target->marked_by, target->marked_by);
}

/* --- a new one ------------------------------------------------------------------------- */

static int
create_failure (const struct restore_target *target, int r,
                struct failure *why)
{
  return failure_set (why, r == -EROFS || r == -EACCES || r == -EPERM
                      ? FAILURE_BAD_ARGUMENT : FAILURE_STORAGE, -r, "%s cannot "
                      "be made in %s: %s", target->place.name,
                      target->place.folder, g_strerror (-r));
}

/* The temporary file that is there; nobody has it, or -EBUSY. */
static int
remove_stale (const struct restore_target *target, struct failure *why)
{
  CLEANUP_FD int fd = openat (target->place.fd, target->temporary_name, O_RDWR |
                              O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat st;
  int r;

  if (fd < 0)
    return errno == ENOENT ? 0 : create_failure (target, -errno, why);
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s is in the way: "
                        "remove it", target->temporary);
  r = restore_target_lock (target->temporary, fd, &st, why);
  if (r == 0 && unlinkat (target->place.fd, target->temporary_name, 0) < 0 &&
      errno != ENOENT)
    r = create_failure (target, -errno, why);
  return r;
}

static int
create_file (struct restore_target *target, struct failure *why)
{
  int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  struct stat folder;
  int fd, r = remove_stale (target, why);

  if (r < 0)
    return r;
  fd = openat (target->place.fd, target->temporary_name, flags, 0600);
  if (fd < 0)
    return create_failure (target, -errno, why);
  target->lock_fd = fd;
  r = identify (target);
  /* Who runs what lies in that folder can read it then, and nobody else. */
  if (r == 0 && geteuid () == 0 &&
      (fstat (target->place.fd, &folder) < 0 ||
       fchown (fd, folder.st_uid, folder.st_gid) < 0))
    r = -errno;
  return r < 0 ? create_failure (target, r, why) : 0;
}

static int
fill_file (const struct restore_target *target,
           const struct restore_target_spec *spec, struct failure *why)
{
  if (strcmp (spec->format, "raw") != 0 ||
      (spec->options != NULL && spec->options[0] != NULL))
    return restore_format_create (target->lock_fd, target->place.path,
                                  spec->format, spec->size, spec->options, why);
  if (ftruncate (target->lock_fd, (off_t) spec->size) < 0)
    return create_failure (target, -errno, why);
  return 0;
}

static int
check_nothing_there (const struct restore_target *target, struct failure *why)
{
  struct stat st;
  int fd = target->place.fd;

  if (fstatat (fd, target->place.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s exists already: give "
                        "its --format and no --create to overwrite it, or "
                        "another name", target->place.path);
  if (fstatat (fd, target->mark, &st, AT_SYMLINK_NOFOLLOW) == 0)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s" RESTORE_TARGET_MARK
                        " is there without its image: remove it",
                        target->place.path);
  return 0;
}

static int
make_new (struct restore_target *target,
          const struct restore_target_spec *spec, struct failure *why)
{
  struct stat st;
  int r = check_nothing_there (target, why);

  if (r == 0)
    r = create_file (target, why);
  if (r == 0)
    r = fill_file (target, spec, why);
  if (r == 0 && fstat (target->lock_fd, &st) < 0)
    r = create_failure (target, -errno, why);
  return r < 0 ? r : restore_target_lock (target->temporary, target->lock_fd,
                                          &st, why);
}

static int
open_existing (struct restore_target *target,
               const struct restore_target_spec *spec, struct failure *why)
{
  struct stat st;
  int r = open_file (target, &st, why);

  if (r == 0)
    r = restore_target_lock (target->place.path, target->lock_fd, &st, why);
  if (r == 0)
    r = check_mark (target, spec->take_over, why);
  if (r == 0)
    r = identify (target);
  if (r == 0)
    r = restore_format_compare (target->lock_fd, target->place.path,
                                target->format, why);
  return r;
}

/* --- either ------------------------------------------------------------------------------ */

static int
measure_raw (struct restore_target *target, struct failure *why)
{
  struct stat st;
  uint64_t size = 0;
  int r = target->block ? ioctl (target->lock_fd, BLKGETSIZE64, &size)
          : fstat (target->lock_fd, &st);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, errno, "the size of %s cannot be "
                        "found: %s", target->place.path, g_strerror (errno));
  target->size = target->block ? size : (uint64_t) st.st_size;
  return 0;
}

static int
look_into (struct restore_target *target, const char *const *folders,
           struct failure *why)
{
  CLEANUP_JSON json_object *info = NULL;
  const char *path = target->place.path;
  int r;

  if (strcmp (target->format, "raw") == 0)
    return measure_raw (target, why);
  r = restore_format_info (target->lock_fd, path, target->format, &info, why);
  if (r == 0)
    r = restore_chain_check_image (path, info, why);
  if (r == 0)
    r = restore_chain_open (path, info, folders, &target->chain, why);
  if (r == 0)
    target->size = json_get_u64 (info, "virtual-size");
  return r;
}

/* A format may round up. */
static int
check_size (const struct restore_target *target,
            const struct restore_target_spec *spec, struct failure *why)
{
  if (target->size == 0)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is empty: its "
                        "disk has no bytes", target->place.path);
  if (spec->size == 0 || target->size == spec->size || spec->create)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk in %s has "
                      "%llu bytes, not %llu: an image that exists keeps its "
                      "size", target->place.path,
                      (unsigned long long) target->size,
                      (unsigned long long) spec->size);
}

/* By what is open already, whatever the path leads to by now. */
static int
open_io (struct restore_target *target, struct failure *why)
{
  char link[32];

  snprintf (link, sizeof link, "/proc/self/fd/%d", target->lock_fd);
  target->io_fd = open (link, O_RDWR | O_CLOEXEC);
  return target->io_fd >= 0 ? 0
         : open_failure (target->place.path, -errno, false, why);
}

static int
open_all (struct restore_target *target,
          const struct restore_target_spec *spec, struct failure *why)
{
  int r = check_name (target, why);

  if (r == 0)
    r = spec->create ? make_new (target, spec, why)
        : open_existing (target, spec, why);
  if (r == 0)
    r = look_into (target, spec->folders, why);
  if (r == 0)
    r = check_size (target, spec, why);
  return r < 0 ? r : open_io (target, why);
}

/* Those of an earlier opening are the same file's. */
static int
reopen (struct restore_target *target, struct failure *why)
{
  int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  struct stat st;
  int r = restore_place_reopen_same (&target->place, &target->folder);

  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "%s: its folder is not there, "
                        "or is another one than it was: is it mounted?",
                        target->temporary);
  target->lock_fd = openat (target->place.fd, target->temporary_name, flags);
  if (target->lock_fd < 0)
    return open_failure (target->temporary, -errno, false, why);
  if (fstat (target->lock_fd, &st) < 0 || !S_ISREG (st.st_mode) ||
      st.st_ino != target->inode)
    return open_failure (target->temporary, -ESTALE, false, why);
  r = restore_target_lock (target->temporary, target->lock_fd, &st, why);
  if (r == 0)
    r = identify (target);
  if (r == 0)
    r = look_into (target, NULL, why);
  return r < 0 ? r : open_io (target, why);
}

int
restore_target_reopen (struct restore_target *target, struct failure *why)
{
  int r = target->lock_fd >= 0 ? 0 : reopen (target, why);

  if (r < 0 && target->lock_fd >= 0) {
    close (target->lock_fd);
    target->lock_fd = -1;
    restore_chain_close (&target->chain);
  }
  return r;
}

static int
check_spec (const struct restore_target_spec *spec, struct failure *why)
{
  if (spec->create && (spec->size == 0 || spec->size % SECTOR != 0))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the size of the new "
                        "image %s must be a multiple of %d bytes", spec->path,
                        SECTOR);
  return restore_format_check (spec->format, why);
}

/* To lock again what its own description has locked changes nothing. */
int
restore_target_adopt (struct restore_target *target, int io, int lock_fd,
                      struct failure *why)
{
  struct stat of_lock, of_io;
  char now[FILE_IDENTITY_SIZE];
  int r;

  target->io_fd = io;
  target->lock_fd = lock_fd;
  r = fstat (lock_fd, &of_lock) < 0 || fstat (io, &of_io) < 0 ? -errno : 0;
  if (r == 0) {
    file_identity_text (&of_lock, now);
    r = strcmp (now, target->identity) != 0 ||
        !file_identity_same (&of_lock, &of_io) ? -ESTALE
        : restore_lock (lock_fd);
  }
  if (r == 0 || r == -ENOTSUP)
    return 0;
  close (io);
  close (lock_fd);
  target->io_fd = target->lock_fd = -1;
  return failure_set (why, FAILURE_BROKEN, -r, "%s: who writes it has it not "
                      "open any more as it was: %s", target->place.path,
                      g_strerror (-r));
}

int
restore_target_here_open (const struct restore_target_spec *spec,
                     struct restore_target **ret, struct failure *why)
{
  struct failure left = { .error = 0 };
  struct restore_place place;
  struct restore_target *target;
  int r = check_spec (spec, why);

  if (r == 0)
    r = restore_place_open (spec->path, spec->create, spec->folders, &place,
                            why);
  if (r < 0)
    return r;
  target = restore_target_make (spec->restore, spec->format, spec->create,
                                &place);
  r = open_all (target, spec, why);
  if (r == 0) {
    *ret = target;
    return 0;
  }
  /* What is there was not made by this call unless it is open. */
  if (target->lock_fd >= 0 && restore_target_here_discard (target, &left) < 0)
    log_warning ("%s", left.text);
  restore_target_here_close (target);
  return r;
}
