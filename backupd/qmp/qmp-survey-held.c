/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images among QEMU's descriptors.  One in a set is no node's: nodes of such a name
 * open it anew. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "file-identity.h"
#include "json-members.h"
#include "qmp-survey-private.h"

/* How often one descriptor is looked at that is another each time. */
#define TRIES 64

void
qmp_survey_held_free (gpointer data)
{
  struct qmp_held *held = data;

  g_free (held->link);
  g_free (held);
}

struct qmp_held *
qmp_survey_held (const struct qmp_survey *survey, const struct stat *st)
{
  for (guint i = 0; i < survey->held->len; i++) {
    struct qmp_held *held = g_ptr_array_index (survey->held, i);

    if (file_identity_same (&held->image.st, st))
      return held;
  }
  return NULL;
}

static char *
link_of (int fds, const char *number)
{
  char text[4096];
  ssize_t n = readlinkat (fds, number, text, sizeof text);

  return n < 0 || n == sizeof text ? NULL : g_strndup (text, (gsize) n);
}

static struct qmp_held *
add_held (struct qmp_survey *survey, const struct stat *st, int fds,
          const char *number)
{
  struct qmp_held *held = g_new0 (struct qmp_held, 1);

  held->image = (struct qmp_image) { .pid = survey->pid, .st = *st,
                                     .number = atoi (number) };
  held->link = link_of (fds, number);
  g_ptr_array_add (survey->held, held);
  return held;
}

static bool
is_of_image (int fds, const char *number, struct stat *st)
{
  return fstatat (fds, number, st, 0) == 0 &&
         (S_ISREG (st->st_mode) || S_ISBLK (st->st_mode));
}

/* How the descriptor NUMBER of an image was opened; *ST: the image.  What it was before
 * and after must be the same: QEMU may close it and open another one meanwhile, of the
 * same number.  1, or 0 if it is of no image, or -EIO. */
static int
look_at_one (const struct qmp_survey *survey, int fds, const char *number,
             struct stat *st, unsigned *flags)
{
  struct stat again;

  for (unsigned i = 0; i < TRIES; i++) {
    if (!is_of_image (fds, number, st))
      return 0;
    if (qmp_image_flags (survey->pid, number, flags) &&
        fstatat (fds, number, &again, 0) == 0 &&
        file_identity_same (st, &again))
      return 1;
  }
  return -EIO;
}

/* IN_SETS has the numbers of those in sets.  One that is missed could make a name
 * look certain: -errno. */
static int
hold (struct qmp_survey *survey, int fds, const char *number,
      GHashTable *in_sets)
{
  struct qmp_held *held;
  struct stat st;
  unsigned flags = 0;
  int r = look_at_one (survey, fds, number, &st, &flags);

  if (r <= 0 || !qmp_image_flags_read (flags))
    return r < 0 ? r : 0;
  held = qmp_survey_held (survey, &st);
  if (held == NULL)
    held = add_held (survey, &st, fds, number);
  held->descriptors += !g_hash_table_contains (in_sets, number);
  qmp_image_note_flags (&held->image, flags);
  return 0;
}

/* The numbers of the descriptors of all sets. */
static GHashTable *
numbers_in_sets (json_object *sets)
{
  GHashTable *numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                               NULL);

  for (size_t i = 0; i < json_length (sets); i++) {
    json_object *set = json_object_array_get_idx (sets, i);
    json_object *fds = json_get_array (set, "fds");

    for (size_t k = 0; k < json_length (fds); k++) {
      uint64_t fd = json_get_u64 (json_object_array_get_idx (fds, k), "fd");

      g_hash_table_add (numbers, g_strdup_printf ("%" G_GUINT64_FORMAT, fd));
    }
  }
  return numbers;
}

static int
note_before (struct qmp_survey *survey, int fds, const char *number,
             GHashTable *unused)
{
  struct stat st;

  (void) unused;
  if (is_of_image (fds, number, &st))
    g_array_append_val (survey->before, st);
  return 0;
}

static int
visit_all (struct qmp_survey *survey,
           int (*visit) (struct qmp_survey *, int, const char *, GHashTable *),
           GHashTable *in_sets)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) survey->pid);
  struct dirent *entry;
  DIR *fds = survey->pid == 0 ? NULL : opendir (path);
  int r = 0;

  if (fds == NULL)
    return survey->pid == 0 ? -ENOENT : -errno;
  while (r == 0 && (entry = readdir (fds)) != NULL)
    if (entry->d_name[0] != '.')
      r = visit (survey, dirfd (fds), entry->d_name, in_sets);
  closedir (fds);
  return r;
}

int
qmp_survey_look_before (struct qmp_survey *survey)
{
  return visit_all (survey, note_before, NULL);
}

int
qmp_survey_hold_all (struct qmp_survey *survey)
{
  g_autoptr (GHashTable) in_sets = numbers_in_sets (survey->sets);

  return visit_all (survey, hold, in_sets);
}
