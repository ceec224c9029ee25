/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU tells a node's name, not its descriptor, and a file that is replaced by
 * rename (a golden image) leaves its name to another.  If that one is open in
 * QEMU too, for a disk plugged in later, nothing about it looks wrong.  But each
 * node has a descriptor of its own: then there are fewer of the new file than
 * nodes whose names lead to it, and one of the old file that no name leads to.
 * Where two files that are both open have exchanged their names the numbers are
 * right; but of each node QEMU also tells how much storage its file takes. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "file-identity.h"
#include "json-members.h"
#include "qmp-survey-private.h"

/* The file that a node lost by the name NAME, which leads to none of QEMU's. */
static struct qmp_held *
find_lost (const struct qmp_survey *survey, const char *name)
{
  g_autofree char *link = g_strconcat (name, " (deleted)", NULL);

  for (guint i = 0; i < survey->held->len; i++) {
    struct qmp_held *held = g_ptr_array_index (survey->held, i);

    if (held->descriptors > 0 && g_strcmp0 (held->link, link) == 0)
      return held;
  }
  return NULL;
}

static bool
has_descriptor (json_object *node)
{
  return json_has_string (node, "drv", "file") ||
         json_has_string (node, "drv", "host_device") ||
         json_has_string (node, "drv", "host_cdrom");
}

static const struct stat *
find_before (const struct qmp_survey *survey, const struct stat *st)
{
  for (guint i = 0; i < survey->before->len; i++)
    if (file_identity_same (&g_array_index (survey->before, struct stat, i),
                            st))
      return &g_array_index (survey->before, struct stat, i);
  return NULL;
}

/* Does the file of NODE take as much as this one did before QEMU was asked, or does
 * NOW?  It may have been growing. */
static bool
takes_as_much (const struct qmp_survey *survey, json_object *node,
               const struct stat *now)
{
  json_object *image = json_get_object (node, "image");
  const struct stat *before = find_before (survey, now);
  uint64_t told, one, other;

  if (json_get (image, "actual-size", json_type_int) == NULL)
    return true;
  if (before == NULL)
    return false;
  one = (uint64_t) before->st_blocks * 512;
  other = (uint64_t) now->st_blocks * 512;
  told = json_get_u64 (image, "actual-size");
  return told >= MIN (one, other) && told <= MAX (one, other);
}

static void
follow (struct qmp_survey *survey, json_object *node, const char *name)
{
  struct qmp_named named = { .filename = json_get_string (node, "file") };
  struct qmp_held *held = NULL;
  struct stat st;

  if (qmp_image_stat (survey->sets, name, survey->pid, &st) == 0)
    held = qmp_survey_held (survey, &st);
  if (held != NULL && held->descriptors == 0)
    held = NULL;
  named.held = held;
  named.fits = held != NULL && takes_as_much (survey, node, &st);
  g_array_append_val (survey->named, named);
  if (held == NULL)
    held = find_lost (survey, name);
  if (held != NULL)
    held->nodes++;
}

void
qmp_survey_follow_names (struct qmp_survey *survey)
{
  for (size_t i = 0; i < json_length (survey->nodes); i++) {
    json_object *node = json_object_array_get_idx (survey->nodes, i);
    const char *file = json_get_string (node, "file");
    g_autofree char *name = file == NULL || !has_descriptor (node) ? NULL
                            : qmp_image_local_name (file);

    if (name != NULL)
      follow (survey, node, name);
  }
}

/* The start of a file that QEMU has open; -errno. */
static int
read_start (const struct qmp_held *held, uint8_t start[32])
{
  g_autofree char *path =
    g_strdup_printf ("/proc/%d/fd/%d", (int) held->image.pid,
                     held->image.number);
  CLEANUP_FD int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;

  memset (start, 0, 32);
  if (fd < 0 || fstat (fd, &st) < 0)
    return -errno;
  if (!file_identity_same (&st, &held->image.st))
    return -ESTALE;
  return pread (fd, start, 32, 0) < 0 ? -errno : 0;
}

/* Could a node that ONE suits have OTHER?  QEMU tells the size of each, which is
 * that of the file, or is in a qcow2 header.  Which of these a file is its bytes do not
 * tell, as those of a raw one are the guest's: what is alike in either way is. */
static bool
is_like (const struct qmp_held *one, const struct qmp_held *other)
{
  static const uint8_t magic[4] = { 'Q', 'F', 'I', 0xfb };
  const struct stat *st = &one->image.st, *other_st = &other->image.st;
  uint8_t a[32], b[32];

  if (read_start (one, a) < 0 || read_start (other, b) < 0)
    return true;
  if (memcmp (a, magic, 4) == 0 && memcmp (b, magic, 4) == 0 &&
      memcmp (a + 24, b + 24, 8) == 0)
    return true;
  return S_ISBLK (st->st_mode) || S_ISBLK (other_st->st_mode) ||
         (st->st_size + 511) / 512 == (other_st->st_size + 511) / 512;
}

static int
judge (const struct qmp_survey *survey, const struct qmp_held *one)
{
  if (one->descriptors < one->nodes)
    return -ENOTUNIQ;
  for (guint i = 0; i < survey->held->len; i++) {
    const struct qmp_held *other = g_ptr_array_index (survey->held, i);

    if (other != one && other->descriptors > other->nodes &&
        is_like (one, other))
      return -ENOTUNIQ;
  }
  return 0;
}

int
qmp_survey_is_certain (const struct qmp_survey *survey, const char *filename,
                       const struct qmp_image *image)
{
  const struct qmp_held *one = NULL;

  if (survey->error < 0)
    return survey->error;
  for (guint i = 0; i < survey->named->len; i++) {
    const struct qmp_named *named =
      &g_array_index (survey->named, struct qmp_named, i);

    if (strcmp (named->filename, filename) != 0)
      continue;
    one = named->held;
    /* It led to another than IMAGE then, or to another than the node's. */
    if (!named->fits || !file_identity_same (&one->image.st, &image->st))
      return -ENOTUNIQ;
  }
  /* No node tells it. */
  return one == NULL ? -ENOTUNIQ : judge (survey, one);
}
