/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done to names is done in the folder that was opened.  One that is read from a
 * record is opened again by its path; the file that it is about is known by its inode, as
 * the number of its file system may be another one after the host was started again. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "full-io.h"
#include "json-members.h"
#include "restore-lock.h"
#include "restore-target-private.h"

#define MARK_MAX 4096

/* --- what it is --------------------------------------------------------------- */

/* What fits into a folder. */
char *
restore_target_temporary_name (const char *name, const char *restore)
{
  char *usual = g_strdup_printf (".%s.pullback-%s", name, restore);
  g_autofree char *sum = NULL;

  if (strlen (usual) <= NAME_MAX)
    return usual;
  g_free (usual);
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  return g_strdup_printf (".%.32s.pullback-%s", sum, restore);
}

struct restore_target *
restore_target_make (const char *restore, const char *format, bool is_new,
                     struct restore_place *place)
{
  struct restore_target *target = g_new0 (struct restore_target, 1);
  struct stat st;

  target->restore = g_strdup (restore);
  target->format = g_strdup (format);
  target->place = *place;
  *place = (struct restore_place) { .fd = -1 };
  target->mark = g_strconcat (target->place.name, RESTORE_TARGET_MARK, NULL);
  if (is_new) {
    target->temporary_name = restore_target_temporary_name (target->place.name, restore);
    target->temporary = g_build_filename (target->place.folder,
                                          target->temporary_name, NULL);
  }
  target->lock_fd = target->io_fd = -1;
  if (target->place.fd >= 0 && fstat (target->place.fd, &st) == 0)
    target->folder = st.st_ino;
  return target;
}

void
restore_target_here_close (struct restore_target *target)
{
  if (target == NULL)
    return;
  if (target->io_fd >= 0)
    close (target->io_fd);
  if (target->lock_fd >= 0)
    close (target->lock_fd);
  restore_place_close (&target->place);
  restore_chain_close (&target->chain);
  g_free (target->restore);
  g_free (target->format);
  g_free (target->temporary_name);
  g_free (target->temporary);
  g_free (target->mark);
  g_free (target->marked_by);
  g_free (target);
}

const char *
restore_target_path (const struct restore_target *target)
{
  return target->place.path;
}

const char *
restore_target_temporary (const struct restore_target *target)
{
  return target->temporary;
}

const char *
restore_target_format (const struct restore_target *target)
{
  return target->format;
}

uint64_t
restore_target_size (const struct restore_target *target)
{
  return target->size;
}

bool
restore_target_is_new (const struct restore_target *target)
{
  return target->temporary != NULL;
}

bool
restore_target_is_block (const struct restore_target *target)
{
  return target->block;
}

const char *
restore_target_identity (const struct restore_target *target)
{
  return target->identity;
}

const char *
restore_target_marked_by (const struct restore_target *target)
{
  return target->marked_by;
}

int
restore_target_io_fd (const struct restore_target *target)
{
  return target->io_fd;
}

int
restore_target_lock_fd (const struct restore_target *target)
{
  return target->lock_fd;
}

size_t
restore_target_n_backing (const struct restore_target *target)
{
  return target->chain.layers == NULL ? 0 : target->chain.layers->len;
}

static const struct restore_layer *
backing (const struct restore_target *target, size_t i)
{
  return &g_array_index (target->chain.layers, struct restore_layer, i);
}

int
restore_target_backing_fd (const struct restore_target *target, size_t i)
{
  return backing (target, i)->fd;
}

const char *
restore_target_backing_format (const struct restore_target *target, size_t i)
{
  return backing (target, i)->format;
}

/* --- the folder -------------------------------------------------------------- */

/* WHAT was tried with it. */
static int
target_failure (const struct restore_target *target, int r, const char *what,
                struct failure *why)
{
  if (r == -ENODEV)
    return failure_set (why, FAILURE_STORAGE, -r, "%s: the folder %s is not "
                        "there, or is another one than it was: is it mounted?",
                        target->place.path, target->place.folder);
  return failure_set (why, FAILURE_STORAGE, -r, "%s: %s: %s",
                      target->place.path, what, g_strerror (-r));
}

static int
sync_folder (const struct restore_target *target)
{
  return fsync (target->place.fd) < 0 ? -errno : 0;
}

static int
look (struct restore_target *target, const char *name, struct stat *st)
{
  int r = restore_place_reopen_same (&target->place, &target->folder);

  if (r == 0 && fstatat (target->place.fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
    r = -errno;
  return r;
}

static int
unlink_durably (const struct restore_target *target, const char *name)
{
  if (unlinkat (target->place.fd, name, 0) < 0 && errno != ENOENT)
    return -errno;
  return sync_folder (target);
}

/* --- the mark ----------------------------------------------------------------- */

char *
restore_target_read_mark (const struct restore_target *target)
{
  CLEANUP_FD int fd = openat (target->place.fd, target->mark, O_RDONLY |
                              O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  CLEANUP_JSON json_object *mark = NULL;
  char text[MARK_MAX + 1];
  const char *restore;
  ssize_t n;

  if (fd < 0)
    return errno == ENOENT ? NULL : g_strdup ("");
  n = read (fd, text, MARK_MAX);
  text[MAX (n, 0)] = '\0';
  mark = json_tokener_parse (text);
  restore = json_get_string (mark, "restore");
  return g_strdup (restore == NULL ? "" : restore);
}

static int
write_mark (const struct restore_target *target, const char *text)
{
  CLEANUP_FD int fd = openat (target->place.fd, target->mark, O_WRONLY |
                              O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK |
                              O_CLOEXEC, 0644);
  int r = fd < 0 ? -errno : full_pwrite (fd, text, strlen (text), 0);

  if (r == 0 && fsync (fd) < 0)
    r = -errno;
  return r < 0 ? r : sync_folder (target);
}

int
restore_target_here_mark (struct restore_target *target, struct failure *why)
{
  CLEANUP_JSON json_object *mark = json_object_new_object ();
  g_autofree char *text = NULL;
  char now[32];
  time_t seconds = time (NULL);
  struct tm parts;
  int r;

  if (restore_target_is_new (target) || target->block)
    return 0;
  strftime (now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r (&seconds, &parts));
  json_add_string (mark, "restore", target->restore);
  json_add_string (mark, "image", target->place.path);
  json_add_string (mark, "began", now);
  text = g_strconcat (json_object_to_json_string (mark), "\n", NULL);
  r = restore_place_reopen_same (&target->place, &target->folder);
  if (r == 0)
    r = write_mark (target, text);
  return r == 0 ? 0 : target_failure (target, r, "the mark that it is being "
                                      "restored cannot be made", why);
}

/* Another restore's, which has taken the image over, stays. */
int
restore_target_here_unmark (struct restore_target *target, struct failure *why)
{
  g_autofree char *whose = NULL;
  struct stat st;
  int r;

  if (restore_target_is_new (target) || target->block)
    return 0;
  r = look (target, target->mark, &st);
  if (r == 0) {
    whose = restore_target_read_mark (target);
    if (whose == NULL || whose[0] == '\0' ||
        strcmp (whose, target->restore) == 0)
      r = unlink_durably (target, target->mark);
  }
  return r == 0 || r == -ENOENT ? 0
         : target_failure (target, r, "the mark that it is being restored "
                           "cannot be removed", why);
}

/* --- writing is over ---------------------------------------------------------- */

int
restore_target_here_sync (struct restore_target *target, struct failure *why)
{
  int r = target->lock_fd < 0 ? -EBADF : fsync (target->lock_fd) < 0 ? -errno
          : 0;

  /* What QEMU alone can open it has flushed. */
  if (target->held && target->lock_fd < 0)
    return 0;
  return r == 0 ? 0 : target_failure (target, r, "what was written is not on "
                                      "stable storage, and may be lost", why);
}

int
restore_target_here_check_alone (struct restore_target *target,
                                 struct failure *why)
{
  const char *path = target->temporary != NULL ? target->temporary
                     : target->place.path;
  g_autofree char *who = NULL;
  struct stat st;

  if (target->held)
    return 0;
  if (fstat (target->lock_fd, &st) < 0)
    return target_failure (target, -errno, "it cannot be looked at", why);
  who = restore_lock_writer (&st, path);
  return who == NULL ? 0 : failure_set (why, FAILURE_BUSY, EBUSY, "%s was "
                                        "opened for writing by %s meanwhile, "
                                        "and may hold what that has written: "
                                        "end that, and restore again", path,
                                        who);
}

/* What our descriptor is called by now. */
static char *
own_name (const struct restore_target *target)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", target->lock_fd);
  char *name = g_file_read_link (link, NULL);

  if (name == NULL || g_str_has_suffix (name, " (deleted)")) {
    g_free (name);
    return g_strdup ("in no file any more");
  }
  return name;
}

static int
check_bytes (const struct restore_target *target, const struct stat *st,
             struct failure *why)
{
  if (target->block || target->held || strcmp (target->format, "raw") != 0 ||
      (uint64_t) st->st_size >= target->size)
    return 0;
  return failure_set (why, FAILURE_STORAGE, EIO, "%s was truncated by somebody "
                      "else while it was restored: its disk has %llu bytes, and "
                      "the file %llu", target->place.path,
                      (unsigned long long) target->size,
                      (unsigned long long) st->st_size);
}

int
restore_target_here_check_name (struct restore_target *target,
                                struct failure *why)
{
  g_autofree char *name = NULL;
  struct stat ours, there;
  int error;

  /* What is not found by a name of ours is not looked for by one. */
  if (target->held && (target->lock_fd < 0 || target->place.fd < 0))
    return 0;
  if (fstat (target->lock_fd, &ours) < 0)
    return target_failure (target, -errno, "it cannot be looked at", why);
  if (restore_target_is_new (target))
    return check_bytes (target, &ours, why);
  error = stat (target->place.path, &there) < 0 ? errno : 0;
  if (error == 0 && file_identity_same (&ours, &there))
    return check_bytes (target, &ours, why);
  name = own_name (target);
  if (error != 0)
    return failure_set (why, FAILURE_STORAGE, error, "%s is not there any more "
                        "(%s): what was restored is %s", target->place.path,
                        g_strerror (error), name);
  return failure_set (why, FAILURE_STORAGE, ESTALE, "%s was exchanged for another "
                      "file while it was restored: what was restored is %s",
                      target->place.path, name);
}

/* Without taking another file's place; some file systems know only links. */
static int
rename_new (const struct restore_target *target)
{
  const char *from = target->temporary_name, *to = target->place.name;
  int fd = target->place.fd;

  if (renameat2 (fd, from, fd, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno != EINVAL && errno != ENOSYS)
    return -errno;
  if (linkat (fd, from, fd, to, 0) < 0 || unlinkat (fd, from, 0) < 0)
    return -errno;
  return 0;
}

static int
publish (struct restore_target *target)
{
  struct stat temporary, final;
  int r = look (target, target->temporary_name, &temporary);
  int there = r < 0 && r != -ENOENT ? r
              : look (target, target->place.name, &final);
  bool is_there = there == 0 && final.st_ino == target->inode;

  if (r == -ENOENT)
    return is_there ? sync_folder (target) : r;
  if (r == 0 && temporary.st_ino != target->inode)
    r = -ESTALE;
  /* Of a link that was to become a rename. */
  if (r == 0)
    r = is_there ? unlink_durably (target, target->temporary_name)
        : rename_new (target);
  return r < 0 ? r : sync_folder (target);
}

int
restore_target_here_publish (struct restore_target *target, struct failure *why)
{
  int r;

  if (!restore_target_is_new (target))
    return 0;
  r = publish (target);
  if (r == -EEXIST)
    return failure_set (why, FAILURE_EXISTS, EEXIST, "%s was made by somebody "
                        "else meanwhile: what was restored stays in %s: remove "
                        "one of them", target->place.path, target->temporary);
  if (r == -ESTALE || r == -ENOENT)
    return failure_set (why, FAILURE_STORAGE, -r, "%s, which was to become %s, "
                        "was removed or exchanged by somebody else",
                        target->temporary, target->place.path);
  return r == 0 ? 0 : target_failure (target, r, "it cannot be given its name",
                                      why);
}

int
restore_target_here_discard (struct restore_target *target, struct failure *why)
{
  struct stat st;
  int r;

  if (!restore_target_is_new (target))
    return 0;
  r = look (target, target->temporary_name, &st);
  /* Another one that has this name by now is not ours to remove. */
  if (r == 0 && st.st_ino == target->inode)
    r = unlink_durably (target, target->temporary_name);
  if (r == -ENODEV)
    return target_failure (target, r, "", why);
  return r == 0 || r == -ENOENT ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "%s cannot be removed: %s",
                        target->temporary, g_strerror (-r));
}

/* --- records -------------------------------------------------------------------- */

json_object *
restore_target_record (const struct restore_target *target)
{
  json_object *record = json_object_new_object ();

  json_add_string (record, "restore", target->restore);
  json_add_string (record, "path", target->place.path);
  json_add_string (record, "format", target->format);
  json_add_u64 (record, "size", target->size);
  json_add_bool (record, "new", restore_target_is_new (target));
  json_add_bool (record, "block", target->block);
  json_add_bool (record, "held", target->held);
  json_add_string (record, "identity", target->identity);
  json_add_u64 (record, "inode", target->inode);
  json_add_u64 (record, "folder", target->folder);
  return record;
}

int
restore_target_from_record (json_object *record, struct restore_target **ret,
                            struct failure *why)
{
  const char *restore = json_get_string (record, "restore");
  const char *path = json_get_string (record, "path");
  const char *format = json_get_string (record, "format");
  const char *identity = json_get_string (record, "identity");
  struct restore_target *target;
  struct restore_place place;

  if (restore == NULL || path == NULL || format == NULL || identity == NULL ||
      (path[0] != '/' && !json_get_bool (record, "block")))
    return failure_set (why, FAILURE_STORAGE, EINVAL, "the record of an image "
                        "that was restored to is not understood");
  restore_place_remember (path, &place);
  target = restore_target_make (restore, format, json_get_bool (record, "new"),
                                &place);
  target->size = json_get_u64 (record, "size");
  target->block = json_get_bool (record, "block");
  target->held = json_get_bool (record, "held");
  target->inode = json_get_u64 (record, "inode");
  target->folder = json_get_u64 (record, "folder");
  g_strlcpy (target->identity, identity, sizeof target->identity);
  *ret = target;
  return 0;
}
