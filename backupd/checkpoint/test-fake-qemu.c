/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "qmp-device.h"
#include "qmp-disk.h"
#include "qmp-migration.h"
#include "qmp-peer.h"
#include "qmp-transaction.h"
#include "test-fake-qemu.h"
#include "test-qmp.h"

struct bitmap {
  char name[32];
  bool recording;
  fake_set bits;
};

struct action {
  char kind;                    /* the first letter of what it does */
  size_t disk;
  char name[32], source[32];
  bool recording;
  /* For its undoing. */
  bool was_recording;
  fake_set old;
};

struct qmp_transaction {
  struct action actions[16];
  size_t n;
};

static struct { struct bitmap bitmaps[32]; size_t n; } disks[2];
static unsigned n_writes;

static bool troubled, met, dead;
static enum fake_trouble trouble;
static size_t trouble_at, n_actions;
static void (*on_death) (void);

void
fake_reset (void)
{
  memset (disks, 0, sizeof disks);
  n_writes = 0;
  fake_behave ();
}

void
fake_write (void)
{
  CHECK (n_writes < 128);
  for (size_t d = 0; d < 2; d++)
    for (size_t i = 0; i < disks[d].n; i++)
      if (disks[d].bitmaps[i].recording)
        disks[d].bitmaps[i].bits |= (fake_set) 1 << n_writes;
  n_writes++;
}

unsigned
fake_writes (void)
{
  return n_writes;
}

static fake_set
first (unsigned n)
{
  return n >= 128 ? ~(fake_set) 0 : ((fake_set) 1 << n) - 1;
}

fake_set
fake_since (unsigned n)
{
  return first (n_writes) & ~first (n);
}

static struct bitmap *
find (size_t disk, const char *name)
{
  for (size_t i = 0; i < disks[disk].n; i++)
    if (strcmp (disks[disk].bitmaps[i].name, name) == 0)
      return &disks[disk].bitmaps[i];
  return NULL;
}

static size_t
disk_of (const char *node)
{
  return strcmp (node, "d0") == 0 ? 0 : 1;
}

fake_set
fake_bits (const char *node, const char *name)
{
  return find (disk_of (node), name)->bits;
}

void
fake_record (const char *name)
{
  for (size_t d = 0; d < 2; d++)
    if (find (d, name) != NULL)
      find (d, name)->recording = true;
}

void
fake_misbehave (enum fake_trouble what, size_t at, void (*death) (void))
{
  troubled = true;
  met = dead = false;
  trouble = what;
  trouble_at = at;
  n_actions = 0;
  on_death = death;
}

void
fake_behave (void)
{
  troubled = met = dead = false;
}

bool
fake_met (void)
{
  return met;
}

bool
fake_is_later (void)
{
  return trouble_at < n_actions;
}

static bool
dies_now (void)
{
  if (troubled && trouble == FAKE_DIES && !dead && n_actions == trouble_at) {
    met = dead = true;
    on_death ();
  }
  return dead;
}

/* --- actions --------------------------------------------------------------------- */

static void
take_away (size_t disk, const char *name)
{
  struct bitmap *bitmap = find (disk, name);

  *bitmap = disks[disk].bitmaps[--disks[disk].n];
}

static int
add (const struct action *action)
{
  struct bitmap *bitmap = &disks[action->disk].bitmaps[disks[action->disk].n];

  if (find (action->disk, action->name) != NULL)
    return -EREMOTEIO;
  CHECK (disks[action->disk].n++ < G_N_ELEMENTS (disks[0].bitmaps));
  g_strlcpy (bitmap->name, action->name, sizeof bitmap->name);
  bitmap->recording = action->recording;
  bitmap->bits = 0;
  return 0;
}

static int
prepare (struct action *action)
{
  struct bitmap *bitmap = find (action->disk, action->name);
  bool refused = troubled && trouble == FAKE_REFUSES &&
                 n_actions++ == trouble_at;

  fake_write ();
  if (refused) {
    met = true;
    return -EREMOTEIO;
  }
  if (action->kind == 'a')
    return add (action);
  if (action->kind == 'b')
    return 0;
  /* The real one crashes for some of these in a transaction. */
  CHECK (bitmap != NULL);
  action->was_recording = bitmap->recording;
  action->old = bitmap->bits;
  if (action->kind == 'm')
    bitmap->bits |= find (action->disk, action->source)->bits;
  else if (action->kind == 'e' || action->kind == 'd')
    bitmap->recording = action->kind == 'e';
  return 0;
}

static void
commit (const struct action *action)
{
  if (action->kind == 'r')
    take_away (action->disk, action->name);
}

static void
undo (const struct action *action, bool failed)
{
  struct bitmap *bitmap = find (action->disk, action->name);

  fake_write ();
  if (action->kind == 'e' && (failed || !action->was_recording))
    bitmap->recording = false;
  if (failed)
    return;
  if (action->kind == 'a')
    take_away (action->disk, action->name);
  else if (action->kind == 'd' && action->was_recording)
    bitmap->recording = true;
  else if (action->kind == 'm')
    bitmap->bits = action->old;
}

int
qmp_transaction_run_alone (struct qmp *qmp, struct qmp_transaction *t,
                           int timeout_ms, struct failure *why)
{
  int r;

  (void) qmp;
  (void) timeout_ms;
  CHECK (t->n == 1);
  if (dies_now ())
    return failure_set (why, FAILURE_QMP, ENOTCONN, "dead");
  r = prepare (&t->actions[0]);
  if (r < 0)
    return failure_set (why, FAILURE_QMP, EREMOTEIO, "refused");
  commit (&t->actions[0]);
  n_actions += troubled && trouble == FAKE_DIES;
  fake_write ();
  return dies_now () ? failure_set (why, FAILURE_QMP, ENOTCONN, "dead") : 0;
}

int
qmp_transaction_run (struct qmp *qmp, struct qmp_transaction *t,
                     int timeout_ms, struct failure *why)
{
  (void) qmp;
  (void) timeout_ms;
  if (dies_now ())
    return failure_set (why, FAILURE_QMP, ENOTCONN, "dead");
  /* Rule C9: what QEMU cannot undo while the disk is written to, or crashes of. */
  for (size_t i = 0; i < t->n; i++)
    CHECK (t->actions[i].kind == 'a' || t->actions[i].kind == 'b' ||
           (t->actions[i].kind == 'm' && i > 0 &&
            t->actions[i - 1].kind == 'a'));
  for (size_t i = 0; i < t->n; i++) {
    if (prepare (&t->actions[i]) == 0)
      continue;
    for (size_t j = i + 1; j-- > 0;)
      undo (&t->actions[j], j == i);
    return failure_set (why, FAILURE_QMP, EREMOTEIO, "refused");
  }
  for (size_t i = 0; i < t->n; i++)
    commit (&t->actions[i]);
  n_actions += troubled && trouble == FAKE_DIES;
  fake_write ();
  return dies_now () ? failure_set (why, FAILURE_QMP, ENOTCONN, "dead") : 0;
}

/* --- building them --------------------------------------------------------------- */

struct qmp_transaction *
qmp_transaction_create (void)
{
  return g_new0 (struct qmp_transaction, 1);
}

void
qmp_transaction_destroy (struct qmp_transaction *t)
{
  g_free (t);
}

static struct action *
plan (struct qmp_transaction *t, char kind, const char *node, const char *name)
{
  struct action *action = &t->actions[t->n];

  CHECK (t->n++ < G_N_ELEMENTS (t->actions));
  action->kind = kind;
  action->disk = disk_of (node);
  g_strlcpy (action->name, name, sizeof action->name);
  return action;
}

void
qmp_transaction_bitmap_add (struct qmp_transaction *t, const char *node,
                            const char *bitmap, uint32_t granularity,
                            bool persistent, bool disabled)
{
  (void) granularity;
  (void) persistent;
  plan (t, 'a', node, bitmap)->recording = !disabled;
}

void
qmp_transaction_bitmap_remove (struct qmp_transaction *t, const char *node,
                               const char *bitmap)
{
  plan (t, 'r', node, bitmap);
}

void
qmp_transaction_bitmap_enable (struct qmp_transaction *t, const char *node,
                               const char *bitmap)
{
  plan (t, 'e', node, bitmap);
}

void
qmp_transaction_bitmap_disable (struct qmp_transaction *t, const char *node,
                                const char *bitmap)
{
  plan (t, 'd', node, bitmap);
}

void
qmp_transaction_bitmap_merge (struct qmp_transaction *t, const char *node,
                              const char *target, const char *source_node,
                              const char *const *sources, size_t n)
{
  CHECK (source_node == NULL);
  for (size_t i = 0; i < n; i++)
    g_strlcpy (plan (t, 'm', node, target)->source, sources[i],
               sizeof t->actions[0].source);
}

void
qmp_transaction_fleece (struct qmp_transaction *t, const char *job_id,
                        const char *node, const char *target,
                        const char *filter_node)
{
  (void) target;
  (void) filter_node;
  plan (t, 'b', node, job_id);
}

/* --- asking ---------------------------------------------------------------------- */

static void
show (size_t disk, struct qmp_disk *live)
{
  *live = (struct qmp_disk) {
    .name = g_strdup (disk == 0 ? "d0" : "d1"),
    .size = 1 << 20, .can_persist_bitmaps = true,
    .n_bitmaps = disks[disk].n,
    .bitmaps = g_new0 (struct qmp_bitmap, disks[disk].n + 1)
  };
  live->node = g_strdup (live->name);
  live->image = g_strdup (live->name);
  live->boot_id = g_strdup ("1-1");
  for (size_t i = 0; i < live->n_bitmaps; i++)
    live->bitmaps[i] = (struct qmp_bitmap) {
      .name = disks[disk].bitmaps[i].name, .persistent = true,
      .recording = disks[disk].bitmaps[i].recording
    };
}

int
qmp_disks_query (struct qmp *qmp, struct qmp_disks *all, struct failure *why)
{
  (void) qmp;
  if (dead)
    return failure_set (why, FAILURE_QMP, ENOTCONN, "dead");
  all->disks = g_new0 (struct qmp_disk, 2);
  all->n = 2;
  show (0, &all->disks[0]);
  show (1, &all->disks[1]);
  return 0;
}

int
qmp_device_look (struct qmp *qmp, struct qmp_disks *all, struct failure *why)
{
  (void) qmp;
  (void) all;
  return dead ? failure_set (why, FAILURE_QMP, ENOTCONN, "dead") : 0;
}

int
qmp_disk_query (struct qmp *qmp, const char *node, const char *name,
                struct qmp_disk *live, struct failure *why)
{
  (void) qmp;
  (void) name;
  if (dead)
    return failure_set (why, FAILURE_QMP, ENOTCONN, "dead");
  show (disk_of (node), live);
  return 0;
}

void
qmp_disk_clear (struct qmp_disk *live)
{
  g_free (live->name);
  g_free (live->node);
  g_free (live->image);
  g_free (live->boot_id);
  g_free (live->bitmaps);
  memset (live, 0, sizeof *live);
}

void
qmp_disks_clear (struct qmp_disks *all)
{
  for (size_t i = 0; i < all->n; i++)
    qmp_disk_clear (&all->disks[i]);
  g_free (all->disks);
  memset (all, 0, sizeof *all);
}

const struct qmp_bitmap *
qmp_disk_bitmap (const struct qmp_disk *live, const char *name)
{
  for (size_t i = 0; i < live->n_bitmaps; i++)
    if (strcmp (live->bitmaps[i].name, name) == 0)
      return &live->bitmaps[i];
  return NULL;
}

bool
qmp_is_lost (const struct qmp *qmp)
{
  (void) qmp;
  return dead;
}

int
qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why)
{
  (void) qmp;
  (void) size;
  uuid[0] = '\0';
  return dead ? failure_set (why, FAILURE_QMP, ENOTCONN, "dead") : 0;
}

int
qmp_migration_gave_images (struct qmp *qmp, struct failure *why)
{
  (void) qmp;
  return dead ? failure_set (why, FAILURE_QMP, ENOTCONN, "dead") : 0;
}
