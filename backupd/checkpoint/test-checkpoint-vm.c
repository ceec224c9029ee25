/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "deadline.h"
#include "client.h"
#include "granule-map.h"
#include "json-members.h"
#include "qmp-export.h"
#include "qmp-peer.h"
#include "qmp-transaction.h"
#include "test-checkpoint-vm.h"

#define GRANULES (VM_DISK_SIZE / GRANULE_DEFAULT)

struct checkpoint_domain domain = { .name = "vm" };

static const char *const names[2] = { "vda", "drive0" };
static char *nodes[2];

/* The truth. */
static struct { unsigned when; int disk; unsigned granule; } writes[8192];
static size_t n_writes;
static struct { char *name; unsigned when; bool covers[2]; } made[1024];
static size_t n_made;
static unsigned clock_now;

static void
remove_files (void)
{
  if (system ("rm -rf checkpoints map") != 0)
    fprintf (stderr, "the test's files stay\n");
}

static void
find_nodes (void)
{
  struct failure why = { .error = 0 };
  struct qmp_disks disks;

  CHECK_OK (qmp_disks_query (domain.qmp, &disks, &why), &why);
  for (int i = 0; i < 2; i++) {
    const struct qmp_disk *disk = checkpoint_disks_find (&disks, names[i]);

    CHECK (disk != NULL);
    nodes[i] = g_strdup (disk->node);
  }
  qmp_disks_clear (&disks);
}

void
bench_open (void)
{
  int64_t deadline = now_ms () + 30000;
  struct failure why = { .error = 0 };

  vm_make_images ();
  atexit (remove_files);
  vm_start_qemu ();
  vm_wait_for_file ("qmp.sock");
  while (qmp_open ("qmp.sock", 20000, &domain.qmp, &why) < 0) {
    CHECK (ms_left (deadline) > 0);
    why.error = 0;
    poll (NULL, 0, 10);
  }
  find_nodes ();
  domain.boot_id = qmp_boot_id (domain.qmp);
  CHECK_OK (catalog_open ("checkpoints", &domain.catalog, &why), &why);
  CHECK_OK (qmp_export_server_start (domain.qmp, "nbd.sock", &why), &why);
}

void
bench_close (void)
{
  catalog_close (domain.catalog);
  qmp_close (domain.qmp);
  forget_all ();
  g_free ((char *) domain.boot_id);
  g_free (nodes[0]);
  g_free (nodes[1]);
}

const char *
node_of (int disk)
{
  return nodes[disk];
}

/* --- writing ------------------------------------------------------------------- */

static void
write_one (int disk)
{
  static unsigned next;
  struct failure why = { .error = 0 };
  CLEANUP_JSON json_object *said = NULL;
  json_object *arguments = json_object_new_object ();
  unsigned granule = next++ * 37 % GRANULES;
  g_autofree char *line =
    g_strdup_printf ("qemu-io %s%s \"write %u 512\"", disk == 0 ? "-d " : "",
                     disk == 0 ? "/machine/peripheral/vda/virtio-backend"
                               : "drive0", granule * GRANULE_DEFAULT);

  json_add_string (arguments, "command-line", line);
  CHECK_OK (qmp_call (domain.qmp, "human-monitor-command", arguments,
                      QMP_TIMEOUT_MS, &said, &why), &why);
  CHECK (json_object_get_string_len (said) == 0);
  CHECK (n_writes < G_N_ELEMENTS (writes));
  writes[n_writes].when = clock_now;
  writes[n_writes].disk = disk;
  writes[n_writes++].granule = granule;
}

void
write_both (void)
{
  write_one (0);
  write_one (1);
}

/* --- checkpoints ----------------------------------------------------------------- */

void
create (const char *name, const char *const *disks, size_t n)
{
  struct failure why = { .error = 0 };
  struct disk_choice choices[2] = { { .name = NULL } };
  const struct checkpoint_create_options options = {
    .name = name, .disks = choices, .n_disks = n
  };

  write_both ();
  CHECK (n_made < G_N_ELEMENTS (made));
  made[n_made].covers[0] = made[n_made].covers[1] = false;
  for (size_t i = 0; i < n; i++) {
    choices[i].name = disks[i];
    made[n_made].covers[strcmp (disks[i], "vda") != 0] = true;
  }
  CHECK_OK (checkpoint_create (&domain, &options, &why), &why);
  made[n_made].name = g_strdup (name);
  made[n_made++].when = ++clock_now;
  write_both ();
}

void
forget (const char *name)
{
  size_t i;

  for (i = 0; i < n_made && strcmp (made[i].name, name) != 0; i++)
    ;
  CHECK (i < n_made);
  g_free (made[i].name);
  memmove (&made[i], &made[i + 1], (--n_made - i) * sizeof made[0]);
}

void
forget_all (void)
{
  while (n_made > 0)
    forget (made[0].name);
}

static void
delete_with (struct checkpoint_delete_options options, bool checked)
{
  struct failure why = { .error = 0 };
  CLEANUP_JSON json_object *deleted = json_object_new_array ();

  write_both ();
  CHECK_OK (checkpoint_delete (&domain, &options, deleted, &why), &why);
  for (size_t i = 0; checked && i < json_object_array_length (deleted); i++)
    forget (json_object_get_string (json_object_array_get_idx (deleted, i)));
}

void
delete_one (const char *name)
{
  g_autofree char *copy = g_strdup (name);

  delete_with ((struct checkpoint_delete_options) { .name = copy }, true);
}

void
delete_unchecked (const char *name)
{
  delete_with ((struct checkpoint_delete_options) { .name = name }, false);
}

void
delete_tree (const char *name, bool children, bool children_only)
{
  g_autofree char *copy = g_strdup (name);

  delete_with ((struct checkpoint_delete_options) {
    .name = copy, .children = children, .children_only = children_only },
    true);
}

/* --- bitmaps --------------------------------------------------------------------- */

static void
run (struct qmp_transaction *t)
{
  struct failure why = { .error = 0 };

  CHECK_OK (qmp_transaction_run (domain.qmp, t, QMP_TIMEOUT_MS, &why), &why);
  qmp_transaction_destroy (t);
}

void
remove_bitmap (int disk, const char *name)
{
  struct qmp_transaction *t = qmp_transaction_create ();

  qmp_transaction_bitmap_remove (t, nodes[disk], name);
  run (t);
}

void
merge_by_hand (int disk, const char *from, const char *to)
{
  struct qmp_transaction *t = qmp_transaction_create ();

  qmp_transaction_bitmap_merge (t, nodes[disk], to, NULL, &from, 1);
  qmp_transaction_bitmap_remove (t, nodes[disk], from);
  run (t);
}

static void
query (int disk, struct qmp_disk *live)
{
  struct failure why = { .error = 0 };

  CHECK_OK (qmp_disk_query (domain.qmp, nodes[disk], names[disk], live, &why),
            &why);
}

bool
is_recording (int disk, const char *name)
{
  const struct qmp_bitmap *bitmap;
  struct qmp_disk live;
  bool recording;

  query (disk, &live);
  bitmap = qmp_disk_bitmap (&live, name);
  CHECK (bitmap != NULL);
  recording = bitmap->recording;
  qmp_disk_clear (&live);
  return recording;
}

/* A copy is read: QEMU exports only bitmaps that do not record. */
static void
read_bitmap (int disk, const char *name, bool bits[GRANULES])
{
  const struct client_address address = { .socket = "nbd.sock" };
  const char *const exports[] = { "x", NULL };
  struct client_bitmap bitmap = {
    .export_name = "x", .context = "qemu:dirty-bitmap:copy",
    .least = GRANULE_DEFAULT, .dirty = CLIENT_ANY
  };
  struct failure why = { .error = 0 };
  struct qmp_transaction *t = qmp_transaction_create ();
  struct granule_map *map;

  qmp_transaction_bitmap_add (t, nodes[disk], "copy", GRANULE_DEFAULT, false,
                              true);
  qmp_transaction_bitmap_merge (t, nodes[disk], "copy", NULL, &name, 1);
  run (t);
  CHECK_OK (qmp_export_add (domain.qmp, "x", nodes[disk], "x", nodes[disk],
                            "copy", &why), &why);
  unlink ("map");
  CHECK (granule_map_create ("map", VM_DISK_SIZE, GRANULE_DEFAULT) == 0);
  CHECK (granule_map_open ("map", true, &map) == 0);
  bitmap.map = map;
  CHECK_OK (client_import (&address, &bitmap, 1, 30000, &why), &why);
  for (unsigned i = 0; i < GRANULES; i++)
    bits[i] = granule_map_test (map, i * (uint64_t) GRANULE_DEFAULT);
  granule_map_close (map);
  CHECK_OK (qmp_export_remove (domain.qmp, exports, QMP_TIMEOUT_MS, &why),
            &why);
  remove_bitmap (disk, "copy");
}

static void
check_bits (int disk, const char *bitmap, unsigned from, unsigned until)
{
  bool have[GRANULES], want[GRANULES] = { false };

  read_bitmap (disk, bitmap, have);
  for (size_t i = 0; i < n_writes; i++)
    if (writes[i].disk == disk && writes[i].when >= from &&
        writes[i].when < until)
      want[writes[i].granule] = true;
  for (unsigned i = 0; i < GRANULES; i++)
    if (have[i] != want[i]) {
      fprintf (stderr, "bitmap %s of %s: granule %u is %d, want %d\n", bitmap,
               names[disk], i, have[i], want[i]);
      exit (1);
    }
}

static void
check_disk (int disk)
{
  struct qmp_disk live;
  size_t n = 0;

  query (disk, &live);
  for (size_t i = 0; i < n_made; i++) {
    size_t next = i + 1;

    if (!made[i].covers[disk])
      continue;
    n++;
    while (next < n_made && !made[next].covers[disk])
      next++;
    CHECK (qmp_disk_bitmap (&live, made[i].name) != NULL);
    CHECK (qmp_disk_bitmap (&live, made[i].name)->recording ==
           (next == n_made));
    check_bits (disk, made[i].name, made[i].when,
                next < n_made ? made[next].when : UINT32_MAX);
  }
  CHECK (live.n_bitmaps == n);
  qmp_disk_clear (&live);
}

void
check_all (void)
{
  CHECK (catalog_count (domain.catalog) == n_made);
  for (size_t i = 0; i < n_made; i++)
    CHECK (catalog_find (domain.catalog, made[i].name) != NULL);
  check_disk (0);
  check_disk (1);
}

void
check_range (int disk, const char *bitmap, const char *since)
{
  for (size_t i = 0; i < n_made; i++)
    if (strcmp (made[i].name, since) == 0)
      check_bits (disk, bitmap, made[i].when, UINT32_MAX);
}
