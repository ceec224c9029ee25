/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells a node's name, not its descriptor, and a file that is replaced by
 * rename (a golden image) leaves its name to another.  If that one is open in
 * QEMU too, for a disk plugged in later, nothing about it looks wrong.  But each
 * node has a descriptor of its own: then there are fewer of the new file than
 * nodes whose names lead to it, and one of the old file that no name leads to.
 * Where two files that are both open have exchanged their names the numbers are
 * right; but of each node QEMU also tells how much storage its file takes. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "cleanup.h"
#include "file-identity.h"
#include "json-members.h"
#include "qmp-image.h"
#include "qmp-node.h"

#define LOOKS 3

/* A file that QEMU can read. */
struct held {
  struct stat st;
  int number;                   /* one of the descriptors */
  unsigned descriptors;
  unsigned nodes;               /* whose names lead to it */
  char *link;                   /* the kernel's name of it, NULL if unknown */
};

static void
held_clear (gpointer data)
{
  struct held *held = data;

  g_free (held->link);
}

static struct held *
find_held (GArray *all, const struct stat *st)
{
  for (guint i = 0; i < all->len; i++)
    if (file_identity_same (&g_array_index (all, struct held, i).st, st))
      return &g_array_index (all, struct held, i);
  return NULL;
}

static char *
link_of (int fds, const char *number)
{
  char text[4096];
  ssize_t n = readlinkat (fds, number, text, sizeof text);

  return n < 0 || n == sizeof text ? NULL : g_strndup (text, (gsize) n);
}

static void
hold (GArray *all, pid_t pid, int fds, const char *number)
{
  struct held *held, new = { .number = atoi (number), .descriptors = 1 };
  unsigned flags;

  if (fstatat (fds, number, &new.st, 0) < 0 ||
      (!S_ISREG (new.st.st_mode) && !S_ISBLK (new.st.st_mode)) ||
      !qmp_image_flags (pid, number, &flags) || !qmp_image_flags_read (flags))
    return;
  held = find_held (all, &new.st);
  if (held != NULL) {
    held->descriptors++;
    return;
  }
  new.link = link_of (fds, number);
  g_array_append_val (all, new);
}

/* Is it a descriptor of a set, of which nodes open others? */
static bool
is_in_set (json_object *sets, const char *number)
{
  for (size_t i = 0; i < json_length (sets); i++) {
    json_object *set = json_object_array_get_idx (sets, i);
    json_object *fds = json_get_array (set, "fds");

    for (size_t k = 0; k < json_length (fds); k++)
      if (json_get_u64 (json_object_array_get_idx (fds, k), "fd")
          == strtoull (number, NULL, 10))
        return true;
  }
  return false;
}

static int
hold_all (struct qmp *qmp, pid_t pid, GArray *all)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) pid);
  CLEANUP_JSON json_object *sets = NULL;
  struct dirent *entry;
  DIR *fds;

  if (qmp_has_command (qmp, "query-fdsets") &&
      qmp_call (qmp, "query-fdsets", NULL, QMP_TIMEOUT_MS, &sets, NULL) < 0)
    return -EIO;
  fds = opendir (path);
  if (fds == NULL)
    return -errno;
  while ((entry = readdir (fds)) != NULL)
    if (entry->d_name[0] != '.' && !is_in_set (sets, entry->d_name))
      hold (all, pid, dirfd (fds), entry->d_name);
  closedir (fds);
  return 0;
}

/* The file that a node lost by the name NAME, which leads to none of QEMU's. */
static struct held *
find_lost (GArray *all, const char *name)
{
  g_autofree char *link = g_strconcat (name, " (deleted)", NULL);

  for (guint i = 0; i < all->len; i++)
    if (g_strcmp0 (g_array_index (all, struct held, i).link, link) == 0)
      return &g_array_index (all, struct held, i);
  return NULL;
}

static bool
has_descriptor (json_object *node)
{
  return json_has_string (node, "drv", "file") ||
         json_has_string (node, "drv", "host_device") ||
         json_has_string (node, "drv", "host_cdrom");
}

/* Does the file of NODE take as much as this one, which was looked at before QEMU
 * was asked, and now?  It may have been growing. */
static bool
takes_as_much (json_object *node, const struct stat *before,
               const struct stat *now)
{
  json_object *image = json_get_object (node, "image");
  uint64_t one = (uint64_t) before->st_blocks * 512;
  uint64_t other = (uint64_t) now->st_blocks * 512;
  uint64_t told;

  if (json_get (image, "actual-size", json_type_int) == NULL)
    return true;
  told = json_get_u64 (image, "actual-size");
  return told >= MIN (one, other) && told <= MAX (one, other);
}

/* Counts the nodes of each file.  -ENOTUNIQ: FILENAME leads to another than
 * IMAGE by now, or no node tells it; -EAGAIN: perhaps. */
static int
count_nodes (struct qmp *qmp, json_object *nodes, const char *filename,
             const struct qmp_image *image, GArray *all)
{
  bool told = false;

  for (size_t i = 0; i < json_length (nodes); i++) {
    json_object *node = json_object_array_get_idx (nodes, i);
    const char *file = json_get_string (node, "file");
    g_autofree char *name = file == NULL || !has_descriptor (node) ? NULL
                            : qmp_image_local_name (file);
    struct held *held;
    struct stat st;

    if (name == NULL)
      continue;
    held = qmp_image_stat (qmp, name, image->pid, &st) < 0 ? NULL
           : find_held (all, &st);
    if (strcmp (file, filename) == 0) {
      told = true;
      if (held == NULL || !file_identity_same (&st, &image->st))
        return -ENOTUNIQ;
      if (!takes_as_much (node, &image->st, &st))
        return -EAGAIN;
    }
    if (held == NULL)
      held = find_lost (all, name);
    if (held != NULL)
      held->nodes++;
  }
  return told ? 0 : -ENOTUNIQ;
}

/* The start of a file that QEMU has open; -errno. */
static int
read_start (pid_t pid, const struct held *held, uint8_t start[32])
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd/%d", (int) pid,
                                           held->number);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;

  memset (start, 0, 32);
  if (fd < 0 || fstat (fd, &st) < 0)
    return -errno;
  if (!file_identity_same (&st, &held->st))
    return -ESTALE;
  return pread (fd, start, 32, 0) < 0 ? -errno : 0;
}

/* Could a node that ONE suits have OTHER?  QEMU tells the size of each, which is
 * that of the file, or is in a qcow2 header.  Which of these a file is its bytes do not
 * tell, as those of a raw one are the guest's: what is alike in either way is. */
static bool
is_like (pid_t pid, const struct held *one, const struct held *other)
{
  static const uint8_t magic[4] = { 'Q', 'F', 'I', 0xfb };
  uint8_t a[32], b[32];

  if (read_start (pid, one, a) < 0 || read_start (pid, other, b) < 0)
    return true;
  if (memcmp (a, magic, 4) == 0 && memcmp (b, magic, 4) == 0 &&
      memcmp (a + 24, b + 24, 8) == 0)
    return true;
  return S_ISBLK (one->st.st_mode) || S_ISBLK (other->st.st_mode) ||
         (one->st.st_size + 511) / 512 == (other->st.st_size + 511) / 512;
}

static int
judge (GArray *all, const struct qmp_image *image)
{
  const struct held *one = find_held (all, &image->st);

  if (one == NULL || one->descriptors < one->nodes)
    return -ENOTUNIQ;
  for (guint i = 0; i < all->len; i++) {
    const struct held *other = &g_array_index (all, struct held, i);

    if (other != one && other->descriptors > other->nodes &&
        is_like (image->pid, one, other))
      return -ENOTUNIQ;
  }
  return 0;
}

static int
look_once (struct qmp *qmp, const char *filename,
           const struct qmp_image *image)
{
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (struct held));
  CLEANUP_JSON json_object *nodes = NULL;
  struct failure why = { .error = 0 };
  int r = qmp_node_list (qmp, &nodes, &why);

  g_array_set_clear_func (all, held_clear);
  if (r == 0)
    r = hold_all (qmp, image->pid, all);
  if (r == 0)
    r = count_nodes (qmp, nodes, filename, image, all);
  return r < 0 ? r : judge (all, image);
}

int
qmp_image_is_certain (struct qmp *qmp, const char *filename,
                      const struct qmp_image *image)
{
  struct qmp_image now = *image;
  int r = -EAGAIN;

  /* Storage that is taken and given back within a look is rare. */
  for (unsigned i = 0; i < LOOKS && r == -EAGAIN; i++) {
    r = look_once (qmp, filename, &now);
    if (r == -EAGAIN &&
        (qmp_image_find (qmp, filename, image->pid, &now) < 0 ||
         !file_identity_same (&now.st, &image->st)))
      r = -ENOTUNIQ;
  }
  return r == -EAGAIN ? -ENOTUNIQ : r;
}
