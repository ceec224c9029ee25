/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk goes by the name that somebody gave its node, by its target in the <domain> XML,
 * or by its device: what people say once must mean the same disk for every verb.  QEMU is
 * asked anew each time, as disks come, go and change their places. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-disks.h"
#include "json-members.h"
#include "name.h"
#include "qmp-device.h"

/* Moves DISK to the end of DISKS. */
static int
disks_take (struct qmp_disks *disks, struct qmp_disk *disk,
            struct failure *why)
{
  struct qmp_disk *grown =
    realloc (disks->disks, (disks->n + 1) * sizeof *grown);

  if (grown == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
  disks->disks = grown;
  grown[disks->n++] = *disk;
  memset (disk, 0, sizeof *disk);
  return 0;
}

static struct qmp_disk *
find_node (const struct qmp_disks *disks, const char *node)
{
  for (size_t i = 0; i < disks->n; i++)
    if (g_strcmp0 (disks->disks[i].node, node) == 0)
      return &disks->disks[i];
  return NULL;
}

static struct qmp_disk *
find_name (const struct qmp_disks *disks, const char *name)
{
  for (size_t i = 0; i < disks->n; i++)
    if (g_strcmp0 (disks->disks[i].name, name) == 0)
      return &disks->disks[i];
  return NULL;
}

/* Gives DISKS the targets' names. */
static int
name_targets (const struct disk_names *named, struct qmp_disks *disks,
              struct failure *why)
{
  for (size_t i = 0; i < named->n_targets; i++) {
    struct qmp_disk *disk = find_node (disks, named->targets[i].node);
    char *name = disk == NULL ? NULL : strdup (named->targets[i].name);

    if (disk == NULL)
      continue;
    if (name == NULL)
      return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
    free (disk->name);
    disk->name = name;
  }
  return 0;
}

/* What qmp_disks_query says, under the targets' names. */
static int
query_targets (struct qmp *qmp, const struct disk_names *named,
               struct qmp_disks *disks, struct failure *why)
{
  int r = qmp_disks_query (qmp, disks, why);

  return r < 0 ? r : name_targets (named, disks, why);
}

/* The disk on NODE as one called NAME: out of ALL, or a node that is no
 * guest device's. */
static int
take_node (struct qmp *qmp, struct qmp_disks *all, const char *node,
           const char *name, struct qmp_disks *disks, struct failure *why)
{
  struct qmp_disk *known = find_node (all, node), disk = { 0 };
  char *copy;
  int r;

  if (known == NULL) {
    r = qmp_disk_query (qmp, node, name, &disk, why);
    if (r < 0)
      return r;
    known = &disk;
  } else {
    copy = strdup (name);
    if (copy == NULL)
      return failure_set (why, FAILURE_GENERIC, ENOMEM, "out of memory");
    free (known->name);
    known->name = copy;
  }
  r = disks_take (disks, known, why);
  if (r < 0)
    qmp_disk_clear (&disk);
  return r;
}

int
checkpoint_disks_name (struct qmp *qmp, const struct disk_names *named,
                       struct qmp_disks *ret, struct failure *why)
{
  struct qmp_disks all = *ret, disks = { 0 };
  int r = name_targets (named, &all, why);

  *ret = disks;
  for (size_t i = 0; r == 0 && i < named->n; i++) {
    const struct disk_choice *choice = &named->choices[i];

    if (choice->node == NULL || find_name (&disks, choice->name) != NULL)
      continue;
    if (take_node (qmp, &all, choice->node, choice->name, &disks, NULL) < 0 &&
        qmp_is_lost (qmp))
      r = failure_set (why, FAILURE_QMP, ENOTCONN, "QEMU does not answer");
  }
  for (size_t i = 0; r == 0 && i < all.n; i++)
    if (all.disks[i].name != NULL)
      r = disks_take (&disks, &all.disks[i], why);
  disks.survey = TAKE_PTR (all.survey);
  qmp_disks_clear (&all);
  if (r < 0)
    qmp_disks_clear (&disks);
  *ret = disks;
  return r;
}

int
checkpoint_disks_query (struct qmp *qmp, const struct disk_names *named,
                        struct qmp_disks *disks, struct failure *why)
{
  int r = qmp_disks_query (qmp, disks, why);

  return r < 0 ? r : checkpoint_disks_name (qmp, named, disks, why);
}

const struct qmp_disk *
checkpoint_disks_find (const struct qmp_disks *disks, const char *name)
{
  for (size_t i = 0; i < disks->n; i++)
    if (!disks->disks[i].empty && strcmp (disks->disks[i].name, name) == 0)
      return &disks->disks[i];
  return NULL;
}

const char *
checkpoint_disks_unusable (const struct qmp_disk *disk)
{
  return disk->empty ? "empty" : disk->read_only ? "read-only" :
         disk->size == 0 ? "zero-size" : disk->unseen;
}

/* --- choosing ------------------------------------------------------------------ */

static int
check_chosen (const struct qmp_disks *disks, const struct qmp_disk *disk,
              struct failure *why)
{
  const struct qmp_disk *other;

  if (!name_is_disk (disk->name))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk '%.200s' "
                        "has a name that cannot be an export name: give it "
                        "one with --disk NAME=%s", disk->name, disk->node);
  if (find_name (disks, disk->name) != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disk %s is "
                        "named twice", disk->name);
  other = find_node (disks, disk->node);
  if (other != NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the disks %s and "
                        "%s are the same node %s", other->name, disk->name,
                        disk->node);
  return 0;
}

static void
skip (json_object *skipped, const char *name, const char *reason)
{
  json_object *entry;

  if (skipped == NULL)
    return;
  entry = json_with ("name", name);
  json_add_string (entry, "reason", reason);
  json_object_array_add (skipped, entry);
}

static int
choose_all (struct qmp_disks *all, struct qmp_disks *disks,
            json_object *skipped, size_t *n_skipped, struct failure *why)
{
  int r = 0;

  for (size_t i = 0; i < all->n && r == 0; i++) {
    const char *reason = checkpoint_disks_unusable (&all->disks[i]);

    if (reason != NULL) {
      skip (skipped, all->disks[i].name, reason);
      ++*n_skipped;
      continue;
    }
    r = check_chosen (disks, &all->disks[i], why);
    if (r == 0)
      r = disks_take (disks, &all->disks[i], why);
  }
  return r;
}

static int
query_devices (struct qmp *qmp, const struct disk_names *named,
               struct qmp_disks *disks, struct failure *why)
{
  int r = query_targets (qmp, named, disks, why);

  return r < 0 ? r : qmp_device_look (qmp, disks, why);
}

/* Moves the disk called NAME from ALL to ONE.  What was moved before is only asked for
 * again to tell that it is asked for twice. */
static int
take_name (struct qmp *qmp, const char *domain, const char *name,
           const struct disk_names *named, struct qmp_disks *all,
           struct qmp_disks *one, struct failure *why)
{
  struct qmp_disk *found = find_name (all, name);
  int r = 0;

  if (found == NULL) {
    qmp_disks_clear (all);
    r = query_devices (qmp, named, all, why);
    found = find_name (all, name);
  }
  if (r == 0 && found == NULL)
    r = failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT, "the domain %s has "
                     "no disk called '%.200s': domain-info lists its disks",
                     domain, name);
  return r < 0 ? r : disks_take (one, found, why);
}

/* A disk that was asked for by name, and so must be usable; from ALL. */
static int
choose_one (struct qmp *qmp, const char *domain,
            const struct disk_choice *choice,
            const struct disk_names *named, struct qmp_disks *all,
            struct qmp_disks *disks, struct failure *why)
{
  const char *node = choice->node, *reason;
  struct qmp_disks one = { 0 };
  int r;

  for (size_t i = 0; node == NULL && i < named->n; i++)
    if (strcmp (named->choices[i].name, choice->name) == 0)
      node = named->choices[i].node;
  r = node != NULL ? take_node (qmp, all, node, choice->name, &one, why)
      : take_name (qmp, domain, choice->name, named, all, &one, why);
  reason = r == 0 ? checkpoint_disks_unusable (&one.disks[0]) : NULL;
  if (reason != NULL)
    r = failure_set (why, FAILURE_BAD_ARGUMENT, EROFS, "the disk %s is %s and "
                     "cannot be backed up: leave it out", choice->name,
                     reason);
  if (r == 0)
    r = check_chosen (disks, &one.disks[0], why);
  if (r == 0)
    r = disks_take (disks, &one.disks[0], why);
  qmp_disks_clear (&one);
  return r;
}

int
checkpoint_disks_choose (struct qmp *qmp, const char *domain,
                         const struct disk_choice *choices, size_t n,
                         const struct disk_names *named,
                         struct qmp_disks *ret, json_object *skipped,
                         struct failure *why)
{
  struct qmp_disks all = { 0 }, disks = { 0 };
  size_t n_skipped = 0;
  int r;

  if (n == 0) {
    choices = named->choices;
    n = named->n;
  }
  r = query_devices (qmp, named, &all, why);
  if (r == 0 && n == 0)
    r = choose_all (&all, &disks, skipped, &n_skipped, why);
  for (size_t i = 0; r == 0 && i < n; i++)
    r = choose_one (qmp, domain, &choices[i], named, &all, &disks, why);
  disks.survey = TAKE_PTR (all.survey);
  qmp_disks_clear (&all);
  if (r == 0 && disks.n == 0)
    r = failure_set (why, FAILURE_DISK_NOT_FOUND, ENOENT, "the domain %s has "
                     "no disk that can be backed up (%zu empty, read-only "
                     "or shared ones were skipped)", domain, n_skipped);
  if (r < 0)
    qmp_disks_clear (&disks);
  else
    *ret = disks;
  return r;
}

int
checkpoint_disks_layer (const struct qmp_disk *disk, const char *name,
                        const struct qmp_bitmap **bitmap)
{
  for (size_t i = disk->n_lower; i-- > 0;) {
    const struct qmp_lower *lower = &disk->lower[i];

    *bitmap = qmp_bitmaps_find (lower->bitmaps, lower->n_bitmaps, name);
    if (*bitmap != NULL)
      return (int) i + 1;
  }
  *bitmap = qmp_disk_bitmap (disk, name);
  return *bitmap == NULL ? -1 : 0;
}

int
checkpoint_disks_check_free (const struct qmp_disk *disk, const char *name,
                             struct failure *why)
{
  const struct qmp_bitmap *bitmap;
  int layer = checkpoint_disks_layer (disk, name, &bitmap);

  if (layer < 0)
    return 0;
  return failure_set (why, FAILURE_EXISTS, EEXIST, "the disk %s already has "
                      "a bitmap called %s%s: choose another checkpoint name, "
                      "or %s", disk->name, name,
                      layer > 0 ? ", on an image below its own" : "",
                      layer > 0 ? "commit the snapshot above that image first "
                                  "(virsh blockcommit)"
                                : "remove that bitmap (checkpoint-delete "
                                  "--bitmaps)");
}
