/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints in a real QEMU with a raw and a qcow2 disk.  A plain list of writes
 * is the truth: bit by bit, every bitmap must have what was written between its
 * checkpoint and the next one of that disk, whatever was deleted in between. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "catalog.h"
#include "checkpoint.h"
#include "client.h"
#include "qmp-transaction.h"
#include "test-checkpoint-vm.h"

static const char *const both[] = { "vda", "drive0" };

/* --- the cases of traps T1 to T8 -------------------------------------------------- */

static void
three (const char *a, const char *b, const char *c)
{
  create (a, both, 2);
  create (b, both, 2);
  create (c, both, 2);
  check_all ();
}

/* T1: the middle one goes into the one before; T3: the second newest too, and
 * the newest still records; the newest makes the one before record again. */
static void
test_each_place (void)
{
  three ("a", "b", "c");
  delete_one ("b");
  check_all ();
  write_both ();
  delete_one ("c");
  write_both ();
  check_all ();
  create ("d", both, 2);
  delete_one ("a");
  check_all ();
  write_both ();
  delete_one ("d");
  check_all ();
}

/* T5: all disks or none.  The bitmap of one disk is in the way. */
static void
test_all_or_none (void)
{
  struct failure why = { .error = 0 };
  struct checkpoint_create_options options = { .name = "taken" };
  struct qmp_transaction *t = qmp_transaction_create ();

  create ("a", both, 2);
  qmp_transaction_bitmap_add (t, node_of (1), "taken", 0, false, true);
  CHECK_OK (qmp_transaction_run (domain.qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
  CHECK_FAILS (checkpoint_create (&domain, &options, &why), EEXIST, &why,
               "already has a bitmap called taken");
  CHECK (catalog_find (domain.catalog, "taken") == NULL);
  remove_bitmap (1, "taken");
  write_both ();
  check_all ();
  delete_one ("a");
}

/* T6: the one before is the one before on that disk. */
static void
test_per_disk (void)
{
  create ("a", both, 2);
  create ("b", both, 1);
  create ("c", both + 1, 1);
  create ("d", both, 1);
  create ("e", both, 2);
  check_all ();
  delete_one ("c");
  check_all ();
  delete_one ("d");
  check_all ();
  delete_one ("e");
  write_both ();
  check_all ();
  delete_tree ("a", true, false);
  check_all ();
}

static void
test_trees (void)
{
  three ("a", "b", "c");
  create ("d", both, 2);
  delete_tree ("b", false, true);
  write_both ();
  check_all ();
  CHECK (catalog_count (domain.catalog) == 2);
  delete_tree ("a", true, false);
  CHECK (catalog_count (domain.catalog) == 0);
  check_all ();
}

/* T8: somebody let an older bitmap record again. */
static void
test_two_record (void)
{
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();

  three ("a", "b", "c");
  qmp_transaction_bitmap_enable (t, node_of (0), "a");
  CHECK_OK (qmp_transaction_run (domain.qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
  CHECK_OK (checkpoint_settle (&domain, &why), &why);
  CHECK (!is_recording (0, "a") && is_recording (0, "c"));
  delete_tree ("a", true, false);
}

/* --- doubts ------------------------------------------------------------------------ */

static bool
has_gap (const char *name, const char *disk)
{
  return catalog_checkpoint_disk (catalog_find (domain.catalog, name),
                               disk)->gap_before;
}

/* A bitmap that is gone cannot be merged: the next one has a gap before it, on
 * that disk only, and nothing else is made to look whole. */
static void
test_lost_middle (void)
{
  three ("a", "b", "c");
  remove_bitmap (0, "b");
  delete_unchecked ("b");
  CHECK (has_gap ("c", "vda") && !has_gap ("c", "drive0"));
  create ("d", both, 2);
  /* The gap is c's, and goes over to d. */
  delete_unchecked ("c");
  CHECK (has_gap ("d", "vda") && !has_gap ("d", "drive0"));
  delete_unchecked ("d");
  CHECK (!is_recording (0, "a") && is_recording (1, "a"));
  delete_unchecked ("a");
  forget_all ();
}

static void
test_lost_previous (void)
{
  three ("a", "b", "c");
  remove_bitmap (0, "a");
  delete_unchecked ("b");
  CHECK (has_gap ("c", "vda") && !has_gap ("c", "drive0"));
  delete_unchecked ("c");
  CHECK (is_recording (1, "a"));
  create ("d", both, 2);
  CHECK (has_gap ("d", "vda") && !has_gap ("d", "drive0"));
  delete_unchecked ("d");
  delete_unchecked ("a");
  forget_all ();
}

/* A newest one that somebody stopped: the one before did not see what was
 * written since, so it must not record as if nothing had happened. */
static void
test_stopped_newest (void)
{
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();

  three ("a", "b", "c");
  qmp_transaction_bitmap_disable (t, node_of (1), "c");
  CHECK_OK (qmp_transaction_run (domain.qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
  delete_unchecked ("c");
  forget ("c");
  CHECK (is_recording (0, "b") && !is_recording (1, "b"));
  create ("d", both, 2);
  CHECK (!has_gap ("d", "vda") && has_gap ("d", "drive0"));
  delete_tree ("a", true, false);
}

/* --- crashes ----------------------------------------------------------------------- */

/* The intent is there and the bitmaps are gone, or not: the result is the same. */
static void
test_deleting_is_finished (void)
{
  struct failure why = { .error = 0 };
  struct catalog *again;

  three ("a", "b", "c");
  CHECK_OK (catalog_set_state (domain.catalog, "b", CHECKPOINT_DELETING, &why),
            &why);
  CHECK (checkpoint_is_unsettled (domain.catalog));
  CHECK_OK (checkpoint_settle (&domain, &why), &why);
  forget ("b");
  check_all ();

  /* As if the crash came after the transaction. */
  create ("d", both, 2);
  CHECK_OK (catalog_set_state (domain.catalog, "c", CHECKPOINT_DELETING, &why),
            &why);
  merge_by_hand (0, "c", "a");
  merge_by_hand (1, "c", "a");
  CHECK_OK (catalog_open ("checkpoints", &again, &why), &why);
  catalog_close (domain.catalog);
  domain.catalog = again;
  CHECK_OK (checkpoint_settle (&domain, &why), &why);
  CHECK (!has_gap ("d", "vda") && !has_gap ("d", "drive0"));
  forget ("c");
  check_all ();
  delete_tree ("a", true, false);
}

/* --- redefining -------------------------------------------------------------------- */

static struct checkpoint
definition (const char *name, const char *parent, struct checkpoint_disk *disk)
{
  *disk = (struct checkpoint_disk) { .name = (char *) "vda",
                                     .bitmap = (char *) name,
                                     .size = VM_DISK_SIZE };
  return (struct checkpoint) { .name = (char *) name,
                               .parent = (char *) parent,
                               .creation_time = 1, .disks = disk,
                               .n_disks = 1 };
}

static void
test_redefine (void)
{
  struct failure why = { .error = 0 };
  struct checkpoint_disk disk;
  struct checkpoint c = definition ("a", "a", &disk);

  three ("a", "b", "c");
  CHECK_FAILS (checkpoint_redefine (&domain, &c, false, &why), EINVAL, &why,
               "its own parent");
  c.parent = (char *) "c";
  CHECK_FAILS (checkpoint_redefine (&domain, &c, false, &why), EINVAL, &why,
               "descends from it");
  c = definition ("x", "nix", &disk);
  CHECK_FAILS (checkpoint_redefine (&domain, &c, false, &why), ENOENT, &why,
               "no checkpoint nix");
  c.parent = (char *) "c";
  CHECK_FAILS (checkpoint_redefine (&domain, &c, true, &why), ESTALE, &why,
               "bitmap x of disk vda is missing");
  disk.bitmap = (char *) "c";
  CHECK_FAILS (checkpoint_redefine (&domain, &c, false, &why), EINVAL, &why,
               "belongs to checkpoint c");
  CHECK (catalog_count (domain.catalog) == 3);
  CHECK (!has_gap ("b", "vda") && !has_gap ("c", "vda"));
  check_all ();

  /* As it was, all of it: after a daemon on another host took over. */
  c = definition ("b", "a", &disk);
  CHECK_OK (checkpoint_redefine (&domain, &c, true, &why), &why);
  CHECK (strcmp (catalog_find (domain.catalog, "c")->parent, "b") == 0);
  /* b does not cover drive0 any more: what c follows there is not known. */
  CHECK (has_gap ("c", "drive0") && !has_gap ("c", "vda"));
  CHECK (!has_gap ("b", "vda"));
  c = definition ("c", "b", &disk);
  CHECK_OK (checkpoint_redefine (&domain, &c, true, &why), &why);
  c = definition ("b", "a", &disk);
  disk.bitmap = (char *) "c";
  CHECK_FAILS (checkpoint_redefine (&domain, &c, true, &why), EINVAL, &why,
               "belongs to");
  CHECK (!has_gap ("c", "vda"));
  /* On a branch of its own: nothing is known of what follows what. */
  disk.bitmap = (char *) "y";
  c.name = (char *) "y";
  CHECK_OK (checkpoint_redefine (&domain, &c, false, &why), &why);
  CHECK (has_gap ("y", "vda") || has_gap ("c", "vda"));
  delete_unchecked ("y");
  remove_bitmap (1, "b");
  remove_bitmap (1, "c");
  delete_tree ("a", true, false);
}

/* --- at random --------------------------------------------------------------------- */

static void
random_step (GRand *dice, unsigned number)
{
  int what = g_rand_int_range (dice, 0, 10);
  g_autofree char *name = g_strdup_printf ("r%u", number);
  size_t n = catalog_count (domain.catalog);
  const char *one;

  if (n == 0 || (what < 5 && n < 12)) {
    int from = g_rand_int_range (dice, 0, 2);
    int count = from == 1 ? 1 : g_rand_int_range (dice, 1, 3);

    create (name, both + from, (size_t) count);
    return;
  }
  one = catalog_at (domain.catalog,
                    (size_t) g_rand_int_range (dice, 0, (int) n))->name;
  if (what < 9)
    delete_one (one);
  else
    delete_tree (one, what % 2 == 0, what % 2 != 0);
  write_both ();
}

/* Valgrind sees the same memory in fewer, and would take minutes for all. */
static unsigned
fewer (unsigned count)
{
  return getenv ("PULLBACK_VALGRIND") != NULL ? count / 6 : count;
}

static void
test_random (void)
{
  const char *given = getenv ("SEED");
  guint32 seed = given != NULL ? (guint32) strtoul (given, NULL, 10)
                               : g_random_int ();
  GRand *dice = g_rand_new_with_seed (seed);
  unsigned steps = fewer (150);

  printf ("SEED=%u\n", seed);
  fflush (stdout);
  for (unsigned i = 0; i < steps; i++) {
    random_step (dice, i);
    if (i % 5 == 4)
      check_all ();
  }
  g_rand_free (dice);
  while (catalog_count (domain.catalog) > 0)
    delete_one (catalog_at (domain.catalog, 0)->name);
  check_all ();
}

/* A range over 200 bitmaps, as a backup merges it. */
static void
test_two_hundred (void)
{
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  unsigned count = fewer (200);
  gint64 start;
  double ms;

  for (unsigned i = 0; i < count; i++) {
    g_autofree char *name = g_strdup_printf ("n%u", i);

    create (name, both + 1, 1);
  }
  for (size_t i = 0; i < count; i++)
    g_ptr_array_add (names, catalog_at (domain.catalog, i)->name);
  qmp_transaction_bitmap_add (t, node_of (1), "all", 65536, false, true);
  qmp_transaction_bitmap_merge (t, node_of (1), "all", NULL,
                                (const char *const *) names->pdata,
                                names->len);
  start = g_get_monotonic_time ();
  CHECK_OK (qmp_transaction_run (domain.qmp, t, QMP_TIMEOUT_MS, &why), &why);
  ms = (double) (g_get_monotonic_time () - start) / 1000;
  qmp_transaction_destroy (t);
  printf ("%u bitmaps merged in %.1f ms\n", count, ms);
  check_range (1, "all", "n0");
  remove_bitmap (1, "all");
  delete_tree ("n0", true, false);
  check_all ();
}

int
main (void)
{
  if (!vm_is_installed ("qemu-system-x86_64") ||
      !vm_is_installed ("qemu-img")) {
    printf ("SKIP: qemu is not installed\n");
    return 77;
  }
  bench_open ();
  write_both ();
  test_each_place ();
  forget_all ();
  test_all_or_none ();
  test_per_disk ();
  test_trees ();
  test_two_record ();
  test_lost_middle ();
  test_lost_previous ();
  test_stopped_newest ();
  test_deleting_is_finished ();
  test_redefine ();
  forget_all ();
  test_random ();
  test_two_hundred ();
  bench_close ();
  return 0;
}
