/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every action of every plan, with a write before, between and after.  Two disks of a
 * made-up QEMU do what the real one does, a transaction's undoing included; what is
 * tested is the real code above the QMP commands, with a real catalog.  A bitmap is a
 * set of writes.  From each state of the chain that a few operations lead to, each
 * operation is done, with QEMU refusing the Nth action or the daemon dying before it,
 * for each N; after settling no range that can be answered lacks a write. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "checkpoint-chain.h"
#include "checkpoint-run.h"
#include "test-fake-qemu.h"
#include "test-qmp.h"

#define DEPTH 3
static size_t depth = DEPTH;

enum operation { CREATE_BOTH, CREATE_ONE, BEGIN_COMMIT, BEGIN_ABORT,
                 DELETE_OLDEST, DELETE_MIDDLE, DELETE_NEWEST, DELETE_CHILDREN,
                 RESTORE_OLDER, N_OPERATIONS };

static char folder[] = "/dev/shm/test-checkpoint-plan-XXXXXX";
static struct checkpoint_domain domain = { .name = "vm", .boot_id = "1-1" };
static unsigned next_name;
static size_t n_cases;
/* When each checkpoint was made: what was written later is in its range. */
static GHashTable *made;

static void
open_catalog (void)
{
  struct failure why = { .error = 0 };

  catalog_close (domain.catalog);
  domain.catalog = NULL;
  CHECK_OK (catalog_open (folder, &domain.catalog, &why), &why);
}

static void
empty_catalog (void)
{
  struct failure why = { .error = 0 };

  open_catalog ();
  while (catalog_count (domain.catalog) > 0) {
    g_autofree char *name = g_strdup (catalog_newest (domain.catalog)->name);

    CHECK_OK (catalog_remove (domain.catalog, name, &why), &why);
  }
}

/* What is on disk when the daemon dies. */
static GHashTable *kept;

static void
keep_catalog (void)
{
  g_autoptr (GDir) names = g_dir_open (folder, 0, NULL);
  const char *name;

  g_hash_table_remove_all (kept);
  while ((name = g_dir_read_name (names)) != NULL) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    char *text;

    CHECK (g_file_get_contents (path, &text, NULL, NULL));
    g_hash_table_insert (kept, g_steal_pointer (&path), text);
  }
}

static void
restore_catalog (void)
{
  GHashTableIter iterator;
  gpointer path, text;

  empty_catalog ();
  g_hash_table_iter_init (&iterator, kept);
  while (g_hash_table_iter_next (&iterator, &path, &text))
    CHECK (g_file_set_contents (path, text, -1, NULL));
}

static void
note_made (const char *name)
{
  g_hash_table_insert (made, g_strdup (name),
                       GUINT_TO_POINTER (fake_writes ()));
}

/* --- the operations -------------------------------------------------------------- */

static int
create (const char *name, size_t n_disks)
{
  struct failure why = { .error = 0 };
  const struct disk_choice choice = { .name = "d0" };
  const struct checkpoint_create_options options = {
    .name = name, .disks = &choice, .n_disks = n_disks
  };
  int r;

  r = checkpoint_create (&domain, &options, &why);
  if (r == 0)
    note_made (name);
  return r;
}

/* What backup-steps.c does of it: from the entry to the commit or the merge back. */
static int
run_begin (const char *name, struct qmp_disks *live, bool commit,
           struct failure *why)
{
  struct checkpoint_share shares[2] = { { .node = NULL } };
  struct checkpoint_disk disks[2] = { { .name = NULL } };
  const struct checkpoint *newest = catalog_newest (domain.catalog);
  const struct checkpoint c = {
    .name = (char *) name, .parent = newest == NULL ? NULL : newest->name,
    .domain_uuid = (char *) "", .boot_id = (char *) "1-1",
    .consumer = (char *) "default", .disks = disks, .n_disks = live->n
  };
  struct checkpoint_plan *plan = checkpoint_plan_create ();
  int r;

  for (size_t i = 0; i < live->n; i++) {
    shares[i] = (struct checkpoint_share) {
      .node = live->disks[i].node, .bitmap = name,
      .job = i == 0 ? "job0" : "job1", .target = "sink"
    };
    disks[i].name = live->disks[i].name;
    disks[i].bitmap = (char *) name;
    disks[i].size = live->disks[i].size;
    disks[i].source = live->disks[i].image;
    checkpoint_find_previous (domain.catalog, &live->disks[i], "",
                              &shares[i].previous, &disks[i].gap_before);
  }
  r = catalog_add (domain.catalog, &c, why);
  checkpoint_plan_start (plan, shares, live->n);
  if (r == 0)
    r = checkpoint_run (domain.qmp, plan, why);
  if (r == 0) {
    plan = checkpoint_plan_create ();
    checkpoint_plan_stop (plan, shares, live->n);
    r = checkpoint_run (domain.qmp, plan, why);
  }
  if (r == 0 && commit) {
    note_made (name);
    return catalog_set_state (domain.catalog, name, CHECKPOINT_COMMITTED, why);
  }
  return r == 0 ? checkpoint_settle (&domain, why) : r;
}

static int
begin (const char *name, bool commit)
{
  struct failure why = { .error = 0 };
  struct qmp_disks live = { 0 };
  int r = checkpoint_settle (&domain, &why);

  if (r == 0)
    r = qmp_disks_query (domain.qmp, &live, &why);
  if (r == 0)
    r = run_begin (name, &live, commit, &why);
  qmp_disks_clear (&live);
  return r;
}

static int
delete (size_t i, bool children)
{
  struct failure why = { .error = 0 };
  g_autofree char *name =
    i < catalog_count (domain.catalog)
    ? g_strdup (catalog_at (domain.catalog, i)->name) : NULL;
  const struct checkpoint_delete_options options = { .name = name,
                                                     .children = children };

  return name == NULL ? 0
                      : checkpoint_delete (&domain, &options, NULL, &why);
}

static int
operate (enum operation operation)
{
  g_autofree char *name = g_strdup_printf ("c%u", next_name++);
  size_t n = catalog_count (domain.catalog);
  struct failure why = { .error = 0 };

  switch (operation) {
  case CREATE_BOTH: return create (name, 0);
  case CREATE_ONE: return create (name, 1);
  case BEGIN_COMMIT: return begin (name, true);
  case BEGIN_ABORT: return begin (name, false);
  case DELETE_OLDEST: return delete (0, false);
  case DELETE_MIDDLE: return n < 3 ? 0 : delete (n / 2, false);
  case DELETE_NEWEST: return n < 2 ? 0 : delete (n - 1, false);
  case DELETE_CHILDREN: return n < 2 ? 0 : delete (1, true);
  case RESTORE_OLDER:
    /* Somebody lets an older bitmap record too. */
    if (n > 1)
      fake_record (catalog_at (domain.catalog, 0)->name);
    return checkpoint_settle (&domain, &why);
  case N_OPERATIONS: break;
  }
  return 0;
}

/* --- what must hold -------------------------------------------------------------- */

/* The range from C on DISK, if it can be answered (rule C1). */
static bool
range_of (const struct checkpoint *base, const struct qmp_disk *live,
          fake_set *set)
{
  const struct qmp_bitmap *bitmap = NULL;
  bool inside = false;

  *set = 0;
  for (size_t i = 0; i < catalog_count (domain.catalog); i++) {
    const struct checkpoint *c = catalog_at (domain.catalog, i);
    const struct checkpoint_disk *entry = catalog_checkpoint_disk (c, live->name);

    inside = inside || c == base;
    if (!inside || entry == NULL)
      continue;
    bitmap = checkpoint_sound_bitmap (c, live);
    if (bitmap == NULL || (c != base && entry->gap_before))
      return false;
    *set |= fake_bits (live->node, entry->bitmap);
  }
  return bitmap != NULL && bitmap->recording;
}

static size_t
check_ranges (const char *what)
{
  struct qmp_disks live = { 0 };
  struct failure why = { .error = 0 };
  size_t answered = 0;

  CHECK_OK (qmp_disks_query (domain.qmp, &live, &why), &why);
  for (size_t i = 0; i < catalog_count (domain.catalog); i++)
    for (size_t disk = 0; disk < live.n; disk++) {
      const struct checkpoint *c = catalog_at (domain.catalog, i);
      gpointer when = g_hash_table_lookup (made, c->name);
      fake_set set;

      if (c->state != CHECKPOINT_COMMITTED ||
          catalog_checkpoint_disk (c, live.disks[disk].name) == NULL ||
          !range_of (c, &live.disks[disk], &set))
        continue;
      answered++;
      CHECK (g_hash_table_contains (made, c->name));
      if ((fake_since (GPOINTER_TO_UINT (when)) & ~set) != 0) {
        fprintf (stderr, "%s: the range of %s on d%zu lacks a write\n", what,
                 c->name, disk);
        exit (1);
      }
    }
  qmp_disks_clear (&live);
  return answered;
}

static void
check_settled (const char *what)
{
  struct failure why = { .error = 0 };

  fake_behave ();
  open_catalog ();
  fake_write ();
  check_ranges (what);
  CHECK_OK (checkpoint_settle (&domain, &why), &why);
  fake_write ();
  check_ranges (what);
  /* The chain goes on as if nothing had been. */
  CHECK (create ("after", 0) == 0);
  fake_write ();
  CHECK (check_ranges (what) > 0);
}

/* --- all of them ----------------------------------------------------------------- */

static void
prepare (const enum operation *operations, size_t n)
{
  fake_reset ();
  g_hash_table_remove_all (made);
  next_name = 0;
  empty_catalog ();
  CHECK (operate (CREATE_BOTH) == 0);
  for (size_t i = 0; i < n; i++) {
    fake_write ();
    CHECK (operate (operations[i]) == 0);
  }
  fake_write ();
}

/* The last of OPERATIONS meets TROUBLE at its action AT.  True: it had one. */
static bool
with_trouble (const enum operation *operations, size_t n,
              enum fake_trouble trouble, size_t at)
{
  g_autofree char *what =
    g_strdup_printf ("operations %d %d %d, the last %s at action %zu",
                     operations[0], n > 1 ? (int) operations[1] : -1,
                     n > 2 ? (int) operations[2] : -1,
                     trouble == FAKE_REFUSES ? "refused" : "died", at);

  prepare (operations, n - 1);
  fake_misbehave (trouble, at, keep_catalog);
  (void) !operate (operations[n - 1]);
  if (fake_met ()) {
    if (trouble == FAKE_DIES)
      restore_catalog ();
    n_cases++;
    check_settled (what);
  }
  return fake_is_later ();
}

static void
try (const enum operation *operations, size_t n)
{
  prepare (operations, n);
  check_settled ("without trouble");
  for (size_t at = 0; with_trouble (operations, n, FAKE_REFUSES, at); at++)
    continue;
  for (size_t at = 0; with_trouble (operations, n, FAKE_DIES, at); at++)
    continue;
}

static void
try_all (enum operation *operations, size_t n)
{
  for (int i = 0; i < N_OPERATIONS; i++) {
    operations[n] = (enum operation) i;
    try (operations, n + 1);
    if (n + 1 < depth)
      try_all (operations, n + 1);
  }
}

int
main (void)
{
  enum operation operations[DEPTH];

  /* Valgrind sees the same memory in fewer, and takes a minute for all. */
  if (getenv ("PULLBACK_VALGRIND") != NULL)
    depth = 2;
  CHECK (mkdtemp (folder) != NULL);
  made = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  try_all (operations, 0);
  printf ("%zu troubles\n", n_cases);
  CHECK (n_cases > (depth == DEPTH ? 1000 : 100));
  empty_catalog ();
  catalog_close (domain.catalog);
  g_hash_table_unref (made);
  g_hash_table_unref (kept);
  CHECK (rmdir (folder) == 0);
  return 0;
}
