/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* As QEMU does it, the locks are taken first and looked for afterwards, so that of two who
 * come at the same moment at least one sees the other.  All are read locks: who has what is
 * asked for with a write lock that is never taken.
 *
 * Of such locks the kernel tells no owner; /proc/PID/fdinfo does.  They are of an inode: two
 * nodes of one block device have nothing to do with each other, so whose descriptors are on that
 * device is looked for besides. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "file-identity.h"
#include "restore-lock.h"

#define USED_FIRST 100
#define UNSHARED_FIRST 200
#define N_PERMISSIONS 4
#define SECTOR 512
/* How long somebody may have an image, and how often that is looked for. */
#define PASSING_MS 2000
#define LOOK_MS 50

/* --- locks ------------------------------------------------------------------ */

/* Bits of QEMU's permissions. */
enum {
  CONSISTENT_READ = 1, WRITE = 2, RESIZE = 8, ALL = 15
};

static int
lock_byte (int fd, int command, short type, off_t byte, struct flock *ret)
{
  *ret = (struct flock) { .l_type = type, .l_whence = SEEK_SET,
                          .l_start = byte, .l_len = 1 };

  return fcntl (fd, command, ret) < 0 ? -errno : 0;
}

/* Those bytes from FIRST on whose bits are in BITS. */
static int
lock_bits (int fd, off_t first, unsigned bits)
{
  struct flock lock;
  int r = 0;

  for (int i = 0; i < N_PERMISSIONS && r == 0; i++)
    if ((bits & 1U << i) != 0)
      r = lock_byte (fd, F_OFD_SETLK, F_RDLCK, first + i, &lock);
  return r;
}

/* Has nobody else locked those bytes? */
static int
look_for_others (int fd, off_t first, unsigned bits)
{
  struct flock other;
  int r = 0;

  for (int i = 0; i < N_PERMISSIONS && r == 0; i++)
    if ((bits & 1U << i) != 0) {
      r = lock_byte (fd, F_OFD_GETLK, F_WRLCK, first + i, &other);
      if (r == 0 && other.l_type != F_UNLCK)
        r = -EAGAIN;
    }
  return r;
}

static void
unlock (int fd)
{
  struct flock lock;

  for (int i = 0; i < N_PERMISSIONS; i++) {
    (void) lock_byte (fd, F_OFD_SETLK, F_UNLCK, USED_FIRST + i, &lock);
    (void) lock_byte (fd, F_OFD_SETLK, F_UNLCK, UNSHARED_FIRST + i, &lock);
  }
}

static int
lock_as (int fd, unsigned used, unsigned unshared)
{
  int r = lock_bits (fd, USED_FIRST, used);

  if (r == 0)
    r = lock_bits (fd, UNSHARED_FIRST, unshared);
  if (r == 0)
    r = look_for_others (fd, USED_FIRST, unshared);
  if (r == 0)
    r = look_for_others (fd, UNSHARED_FIRST, used);
  if (r == 0)
    return 0;
  unlock (fd);
  if (r == -EACCES)
    return -EAGAIN;
  return r == -EINVAL || r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS
         ? -ENOTSUP : r;
}

int
restore_lock (int fd)
{
  return lock_as (fd, ALL, ALL);
}

int
restore_lock_backing (int fd)
{
  return lock_as (fd, CONSISTENT_READ, WRITE | RESIZE);
}

/* --- who has it -------------------------------------------------------------- */

static bool
is_ours (long long first, long long last)
{
  return (first < USED_FIRST + N_PERMISSIONS && last >= USED_FIRST) ||
         (first < UNSHARED_FIRST + N_PERMISSIONS && last >= UNSHARED_FIRST);
}

/* "lock: 1: OFDLCK ADVISORY READ -1 00:2c:7 100 103", the last may be "EOF". */
static bool
has_lock (const char *fdinfo)
{
  const char *line = fdinfo;

  while ((line = strstr (line, "lock:")) != NULL) {
    long long first, last = 0;
    int n = sscanf (line, "lock: %*d: %*s %*s %*s %*d %*s %lld %lld",
                    &first, &last);

    if (n >= 1 && is_ours (first, n == 2 ? last : INT64_MAX))
      return true;
    line += strlen ("lock:");
  }
  return false;
}

static bool
get_flags (const char *fdinfo, unsigned *ret)
{
  const char *flags = strstr (fdinfo, "flags:");

  return flags != NULL && sscanf (flags, "flags: %o", ret) == 1;
}

static bool
is_open (const char *fdinfo)
{
  unsigned flags;

  return get_flags (fdinfo, &flags) && (flags & O_PATH) == 0;
}

static bool
can_write (const char *fdinfo)
{
  unsigned flags;

  return get_flags (fdinfo, &flags) && (flags & O_PATH) == 0 &&
         (flags & O_ACCMODE) != O_RDONLY;
}

/* Any process may have a file of a server that hangs: what the kernel knows of it is enough. */
static bool
is_on (const char *pid, const char *number, const struct stat *st)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/fd/%s", pid, number);
  struct statx x;
  struct stat there;

  if (statx (AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO | STATX_TYPE,
             &x) < 0)
    return false;
  there = (struct stat) {
    .st_dev = makedev (x.stx_dev_major, x.stx_dev_minor), .st_ino = x.stx_ino,
    .st_mode = x.stx_mode,
    .st_rdev = makedev (x.stx_rdev_major, x.stx_rdev_minor)
  };
  return file_identity_same (&there, st);
}

/* A descriptor of process PID that is on the file and of which IS_IT is true. */
static bool
has_descriptor (const char *pid, const struct stat *st,
                bool (*is_it) (const char *fdinfo))
{
  g_autofree char *folder = g_strdup_printf ("/proc/%s/fd", pid);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *number;

  while (dir != NULL && (number = g_dir_read_name (dir)) != NULL) {
    g_autofree char *path = g_strdup_printf ("/proc/%s/fdinfo/%s", pid, number);
    g_autofree char *fdinfo = NULL;

    if (is_on (pid, number, st) &&
        g_file_get_contents (path, &fdinfo, NULL, NULL) && is_it (fdinfo))
      return true;
  }
  return false;
}

static char *
process_text (const char *pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/comm", pid);
  g_autofree char *name = NULL;

  if (!g_file_get_contents (path, &name, NULL, NULL))
    return g_strdup_printf ("process %s", pid);
  return g_strdup_printf ("process %s (%s)", pid, g_strchomp (name));
}

static pid_t spoken_for;        /* 0: nobody; set before threads start */

void
restore_lock_speak_for (pid_t pid)
{
  spoken_for = pid;
}

static bool
is_another (const char *pid)
{
  pid_t number = (pid_t) atol (pid);

  return number != getpid () && number != spoken_for;
}

static char *
find_process (const struct stat *st, bool others,
              bool (*is_it) (const char *fdinfo))
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *pid;

  while (dir != NULL && (pid = g_dir_read_name (dir)) != NULL)
    if (g_ascii_isdigit (pid[0]) &&
        (!others || is_another (pid)) &&
        has_descriptor (pid, st, is_it))
      return process_text (pid);
  return NULL;
}

char *
restore_lock_holder (const struct stat *st)
{
  return find_process (st, false, has_lock);
}

/* Is the loop device NAME attached to that file, by whatever path? */
static bool
is_attached (const char *name, const struct stat *st)
{
  g_autofree char *path = g_strdup_printf ("/dev/%s", name);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  struct loop_info64 info = { .lo_device = 0 };

  return fd >= 0 && ioctl (fd, LOOP_GET_STATUS64, &info) == 0 &&
         info.lo_device == st->st_dev && info.lo_inode == st->st_ino;
}

/* Does the kernel say of NAME that it is attached to FILE?  In a mount namespace of its own it may
 * not be that path. */
static bool
is_attached_to_path (const char *name, const char *file)
{
  g_autofree char *path = g_strdup_printf ("/sys/block/%s/loop/backing_file",
                                           name);
  g_autofree char *backing = NULL;

  return g_file_get_contents (path, &backing, NULL, NULL) &&
         strcmp (g_strchomp (backing), file) == 0;
}

/* A loop device is not larger than its file.  One that is need not be asked, which hangs where the
 * server of its file does. */
static bool
fits (const char *name, const struct stat *st)
{
  g_autofree char *path = g_strdup_printf ("/sys/block/%s/size", name);
  g_autofree char *sectors = NULL;

  return !g_file_get_contents (path, &sectors, NULL, NULL) ||
         g_ascii_strtoull (sectors, NULL, 10) <=
         ((uint64_t) st->st_size + SECTOR - 1) / SECTOR;
}

/* The kernel has its file, no process. */
static char *
find_loop_device (const struct stat *st, const char *file)
{
  g_autoptr (GDir) dir = g_dir_open ("/sys/block", 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "loop") &&
        (is_attached_to_path (name, file) ||
         (fits (name, st) && is_attached (name, st))))
      return g_strdup_printf ("/dev/%s", name);
  return NULL;
}

/* udev and the like look at a device and go. */
static char *
find_user (const struct stat *st, const char *path,
           bool (*is_it) (const char *fdinfo))
{
  int64_t deadline = now_ms () + PASSING_MS;
  char *found;

  while ((found = find_process (st, true, is_it)) != NULL &&
         ms_left (deadline) > 0) {
    g_free (found);
    poll (NULL, 0, LOOK_MS);
  }
  return found != NULL || S_ISBLK (st->st_mode) ? found
         : find_loop_device (st, path);
}

char *
restore_lock_user (const struct stat *st, const char *path)
{
  return find_user (st, path, S_ISBLK (st->st_mode) ? is_open : can_write);
}

char *
restore_lock_writer (const struct stat *st, const char *path)
{
  return find_user (st, path, can_write);
}
