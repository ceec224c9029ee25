/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of one image: a name and where it leads, a descriptor and how it was
 * opened.  Which image a disk has is for qmp-survey.c to tell. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "file-identity.h"
#include "json-members.h"
#include "qmp-image.h"

bool
qmp_image_flags (pid_t pid, const char *number, unsigned *flags)
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

/* One with O_PATH shows no right to the data at all. */
bool
qmp_image_flags_read (unsigned flags)
{
  return (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

void
qmp_image_note_flags (struct qmp_image *image, unsigned flags)
{
  if ((flags & O_DIRECT) != 0)
    image->bypasses_cache = true;
  if ((flags & O_ACCMODE) == O_RDWR)
    image->can_be_written = true;
}

/* Takes NUMBER if it is open on the image and its data can be read by it. */
static void
look_at_descriptor (struct qmp_image *image, int fds, const char *number)
{
  struct stat st;
  unsigned flags;

  if (fstatat (fds, number, &st, 0) < 0 ||
      !file_identity_same (&st, &image->st) ||
      !qmp_image_flags (image->pid, number, &flags) ||
      !qmp_image_flags_read (flags))
    return;
  image->number = atoi (number);
  qmp_image_note_flags (image, flags);
}

/* All of process image->pid's descriptors of the file image->st: fills in the rest.
 * -ENOENT: it has none. */
static int
look_at_descriptors (struct qmp_image *image)
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

/* The descriptors of the set ID; NULL where there are none. */
static json_object *
find_fdset (json_object *sets, const char *id)
{
  for (size_t i = 0; i < json_length (sets); i++) {
    json_object *set = json_object_array_get_idx (sets, i);

    if (json_get_u64 (set, "fdset-id") == strtoull (id, NULL, 10))
      return json_get_array (set, "fds");
  }
  return NULL;
}

/* The file that the descriptors of QEMU's set ID are open on; all of them, as
 * it is QEMU that chose one. */
static int
stat_fdset (json_object *sets, pid_t pid, const char *id, struct stat *st)
{
  json_object *fds = find_fdset (sets, id);
  struct stat first = { 0 }, one;
  size_t i, n = json_length (fds);

  for (i = 0; i < n; i++) {
    uint64_t fd = json_get_u64 (json_object_array_get_idx (fds, i), "fd");
    g_autofree char *path = g_strdup_printf ("/proc/%d/fd/%" G_GUINT64_FORMAT,
                                             (int) pid, fd);

    if (stat (path, &one) < 0)
      return -errno;
    if (i > 0 && !file_identity_same (&one, &first))
      return -EINVAL;
    first = one;
  }
  if (n == 0)
    return -ENOENT;
  *st = first;
  return 0;
}

char *
qmp_image_local_name (const char *filename)
{
  CLEANUP_JSON json_object *all = NULL;
  json_object *level;
  const char *inner = NULL;

  if (strncmp (filename, "json:", 5) == 0) {
    all = json_tokener_parse (filename + 5);
    for (level = all; level != NULL && inner == NULL;
         level = json_get_object (level, "file"))
      inner = json_get_string (level, "filename");
    filename = inner == NULL ? "" : inner;
  }
  if (filename[0] == '\0' ||
      (filename[0] != '/' && strchr (filename, ':') != NULL))
    return NULL;
  return g_strdup (filename);
}

int
qmp_image_stat (json_object *sets, const char *name, pid_t pid,
                struct stat *st)
{
  g_autofree char *path = NULL;

  if (g_str_has_prefix (name, QMP_FDSET_PREFIX))
    return stat_fdset (sets, pid, name + strlen (QMP_FDSET_PREFIX), st);
  path = name[0] == '/' ? g_strdup (name)
         : g_strdup_printf ("/proc/%d/cwd/%s", (int) pid, name);
  return stat (path, st) < 0 ? -errno : 0;
}

static bool
has_id (int fds, const char *number, const char *id, struct stat *st)
{
  char text[FILE_IDENTITY_SIZE];

  if (fstatat (fds, number, st, 0) < 0 ||
      (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode)))
    return false;
  file_identity_text (st, text);
  return strcmp (text, id) == 0;
}

int
qmp_image_find_by_id (const char *id, pid_t pid, struct qmp_image *image)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) pid);
  DIR *fds = opendir (path);
  struct dirent *entry;
  bool found = false;

  if (fds == NULL)
    return -errno;
  memset (image, 0, sizeof *image);
  image->pid = pid;
  while (!found && (entry = readdir (fds)) != NULL)
    found = has_id (dirfd (fds), entry->d_name, id, &image->st);
  closedir (fds);
  return found ? look_at_descriptors (image) : -ENOENT;
}
