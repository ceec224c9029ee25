/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deleting: every intent is in the catalog before the first bitmap
 * goes.  There is no undo: what has an intent is deleted, after a failure or a
 * crash by the next that settles. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-settle.h"

struct delete {
  const struct checkpoint_domain *domain;
  const struct checkpoint_delete_options *options;
  GPtrArray *doomed;            /* struct checkpoint, of the catalog; newest first */
  json_object *deleted;
};

/* --- which ----------------------------------------------------------------------- */

static void
find_doomed (struct delete *delete)
{
  const struct catalog *catalog = delete->domain->catalog;
  const struct checkpoint_delete_options *options = delete->options;
  const struct checkpoint *named = catalog_find (catalog, options->name);
  bool children = options->children || options->children_only;

  for (size_t i = catalog_count (catalog); i-- > 0;) {
    const struct checkpoint *c = catalog_at (catalog, i);

    if (c == named ? !options->children_only
        : children && catalog_descends (catalog, c, named))
      g_ptr_array_add (delete->doomed, (gpointer) c);
  }
}

static bool
any_waits_below (const struct checkpoint *c, const struct qmp_disks *live)
{
  for (size_t i = 0; i < c->n_disks; i++)
    if (checkpoint_waits_below (c, &c->disks[i], live))
      return true;
  return false;
}

/* Those are going already, and are forgotten only where they are named. */
static int
spare_kept (const struct delete *delete, struct failure *why)
{
  const struct checkpoint_domain *domain = delete->domain;
  struct qmp_disks live = { 0 };
  int r = checkpoint_disks_query (domain->qmp, &domain->named, &live, why);

  for (guint i = delete->doomed->len; r == 0 && i-- > 0;) {
    const struct checkpoint *c = g_ptr_array_index (delete->doomed, i);

    if (checkpoint_is_kept (c) &&
        strcmp (c->name, delete->options->name) != 0 &&
        any_waits_below (c, &live))
      g_ptr_array_remove_index (delete->doomed, i);
  }
  qmp_disks_clear (&live);
  return r;
}

/* Nobody's chain is shortened by mistake. */
static int
check_consumer (const struct delete *delete, struct failure *why)
{
  const char *consumer = delete->options->consumer;

  for (guint i = 0; i < delete->doomed->len; i++) {
    const struct checkpoint *c = g_ptr_array_index (delete->doomed, i);

    if (strcmp (c->consumer, consumer != NULL ? consumer : "default") != 0)
      return failure_set (why, FAILURE_BAD_ARGUMENT, EPERM,
                          "checkpoint %s belongs to consumer %s: give "
                          "--consumer %s", c->name, c->consumer, c->consumer);
  }
  return 0;
}

/* --- the steps ------------------------------------------------------------------- */

/* The state and which bitmaps are missing, in one write (rule C6): an intent that
 * was half written down would leave a checkpoint that is there, but lost. */
static int
intend (const struct delete *delete, const struct checkpoint *c,
        struct failure *why)
{
  const struct checkpoint_domain *domain = delete->domain;
  g_autofree struct checkpoint_disk *disks =
    g_memdup2 (c->disks, c->n_disks * sizeof *disks);
  struct checkpoint intent = *c;
  struct qmp_disks all = { 0 };
  int r = checkpoint_disks_query (domain->qmp, &domain->named, &all, why);

  intent.disks = disks;
  intent.state = CHECKPOINT_DELETING;
  for (size_t i = 0; r == 0 && i < c->n_disks; i++) {
    const struct qmp_disk *live = checkpoint_live_disk (c, &disks[i], &all);

    if (disks[i].lost == NULL && checkpoint_own_bitmap (c, live) == NULL &&
        !checkpoint_waits_below (&intent, &disks[i], &all))
      disks[i].lost = (char *) "bitmap-missing";
  }
  if (r == 0)
    r = catalog_put (domain->catalog, &intent, NULL, NULL, why);
  qmp_disks_clear (&all);
  return r;
}

static int
run_intent (void *context, struct failure *why)
{
  const struct delete *delete = context;
  int r = 0;

  for (guint i = 0; r == 0 && i < delete->doomed->len; i++)
    r = intend (delete, g_ptr_array_index (delete->doomed, i), why);
  return r;
}

const struct step checkpoint_intent_steps[] = {
  { "delete-intent", run_intent, NULL },
};
const size_t n_checkpoint_intent_steps =
  sizeof checkpoint_intent_steps / sizeof checkpoint_intent_steps[0];

static void
note_deleted (const struct delete *delete, const char *name)
{
  if (delete->deleted != NULL)
    json_object_array_add (delete->deleted, json_object_new_string (name));
}

static int
delete_with_bitmaps (struct delete *delete, struct failure *why)
{
  size_t started;
  int r = steps_run (checkpoint_intent_steps, n_checkpoint_intent_steps,
                     delete, &started, why);

  for (guint i = 0; r == 0 && i < delete->doomed->len; i++) {
    const struct checkpoint *c = g_ptr_array_index (delete->doomed, i);
    g_autofree char *name = g_strdup (c->name);

    r = checkpoint_drop (delete->domain, c, why);
    if (r == 0)
      note_deleted (delete, name);
  }
  return r;
}

/* Its bitmaps stay where they are and belong to nobody: a range that went
 * over them has a gap now. */
static int
delete_entry (const struct delete *delete, const struct checkpoint *c,
              struct failure *why)
{
  struct catalog *catalog = delete->domain->catalog;
  g_autofree char *name = g_strdup (c->name);
  int r = 0;

  for (size_t i = 0; r == 0 && i < c->n_disks; i++) {
    const struct checkpoint *next =
      catalog_next_of_disk (catalog, c->disks[i].name, c);

    if (next != NULL)
      r = catalog_mark_disk (catalog, next->name, c->disks[i].name, true,
                             NULL, why);
  }
  if (r == 0)
    r = catalog_remove (catalog, name, why);
  if (r == 0)
    note_deleted (delete, name);
  return r;
}

static int
delete_entries (const struct delete *delete, struct failure *why)
{
  int r = 0;

  for (guint i = 0; r == 0 && i < delete->doomed->len; i++)
    r = delete_entry (delete, g_ptr_array_index (delete->doomed, i), why);
  return r;
}

int
checkpoint_delete (const struct checkpoint_domain *domain,
                   const struct checkpoint_delete_options *options,
                   json_object *deleted, struct failure *why)
{
  g_autoptr (GPtrArray) doomed = g_ptr_array_new ();
  struct delete delete = { .domain = domain, .options = options,
                           .doomed = doomed, .deleted = deleted };
  const struct checkpoint *c = catalog_find (domain->catalog, options->name);
  bool was_deleting = c != NULL && c->state == CHECKPOINT_DELETING;
  int r = 0;

  if (!options->metadata)
    r = checkpoint_settle (domain, why);
  if (r < 0)
    return r;
  if (catalog_find (domain->catalog, options->name) == NULL) {
    if (!was_deleting)
      return failure_set (why, FAILURE_CHECKPOINT_NOT_FOUND, ENOENT,
                          "domain %s has no checkpoint %.200s", domain->name,
                          options->name);
    /* An interrupted deletion that settling has finished. */
    note_deleted (&delete, options->name);
    return 0;
  }
  find_doomed (&delete);
  r = options->metadata ? 0 : spare_kept (&delete, why);
  if (r == 0)
    r = check_consumer (&delete, why);
  if (r == 0)
    r = options->metadata ? delete_entries (&delete, why)
                          : delete_with_bitmaps (&delete, why);
  return r;
}
