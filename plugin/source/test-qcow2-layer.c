/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables made by hand: what each kind of entry says, what no entry may say, a
 * table that is torn while it is read, and tables of random bytes. */
/* mark: no-valgrind (it does not know what io_uring writes) */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "io-ring.h"
#include "qcow2-layer.h"

#define CLUSTER 65536u
#define L1_AT (1 * CLUSTER)
#define L2_AT (2 * CLUSTER)
#define DATA_AT (3 * CLUSTER)
#define COPIED (UINT64_C (1) << 63)
#define COMPRESSED (UINT64_C (1) << 62)

/* --- what pread says ----------------------------------------------------- */

/* So many reads of tables bring other bytes each time. */
static unsigned torn;
static _Thread_local unsigned reads;
/* Is done before the first read of the table at L2_AT. */
static void (*meanwhile) (void);

ssize_t __real_pread (int fd, void *buffer, size_t length, off_t offset);
ssize_t __wrap_pread (int fd, void *buffer, size_t length, off_t offset);

ssize_t
__wrap_pread (int fd, void *buffer, size_t length, off_t offset)
{
  void (*now) (void) = offset == L2_AT ? meanwhile : NULL;
  ssize_t r;

  if (now != NULL) {
    meanwhile = NULL;
    now ();
  }
  r = __real_pread (fd, buffer, length, offset);
  reads++;
  if (torn > 0 && r > 0)
    memset (buffer, (int) torn--, (size_t) r);
  return r;
}

/* --- */

static int fd;
static struct qcow2_tables *tables;

static void
put64 (uint64_t at, uint64_t value)
{
  value = htobe64 (value);
  assert (pwrite (fd, &value, sizeof value, (off_t) at) == sizeof value);
}

/* 1 GiB in clusters of 64 KiB; nothing is kept of the tables. */
static struct qcow2_layer
layer (bool extended)
{
  struct qcow2_layer made = {
    .header = {
      .version = 3, .cluster_bits = 16, .size = 1 << 30,
      .extended_l2 = extended, .l1_size = 4, .l1_offset = L1_AT,
    },
    .file = { .fd = fd },
    .data = { .fd = -1 },
  };

  qcow2_tables_destroy (tables);
  tables = qcow2_tables_create ();
  assert (tables != NULL);
  return made;
}

static struct qcow2_run
map (const struct qcow2_layer *of, uint64_t offset, uint64_t limit)
{
  struct qcow2_run run = { QCOW2_UNKNOWN, 0, 0, 0 };

  qcow2_layer_map (of, tables, offset, limit, &run);
  assert (run.length >= 1 && run.length <= limit);
  return run;
}

/* What the entry alone, of the cluster 5, is taken for. */
static enum qcow2_kind
kind_of (struct qcow2_layer of, uint64_t entry, uint64_t bitmap)
{
  put64 (L1_AT, L2_AT | COPIED);
  if (of.header.extended_l2) {
    put64 (L2_AT + 5 * 16, entry);
    put64 (L2_AT + 5 * 16 + 8, bitmap);
  }
  else
    put64 (L2_AT + 5 * 8, entry);
  qcow2_tables_destroy (tables);
  tables = qcow2_tables_create ();
  return map (&of, 5 * CLUSTER, 1).kind;
}

static void
check_standard (void)
{
  struct qcow2_layer v3 = layer (false), v2 = v3, external = v3;
  unsigned bit;

  v2.header.version = 2;
  external.header.has_data_file = true;
  assert (kind_of (v3, 0, 0) == QCOW2_UNALLOCATED);
  assert (kind_of (v3, 1, 0) == QCOW2_ZERO);
  assert (kind_of (v3, DATA_AT | 1, 0) == QCOW2_ZERO);
  assert (kind_of (v3, DATA_AT | 1 | COPIED, 0) == QCOW2_ZERO);
  assert (kind_of (v3, DATA_AT | COPIED, 0) == QCOW2_DATA);
  assert (kind_of (v3, DATA_AT, 0) == QCOW2_DATA);
  assert (kind_of (v3, COMPRESSED | 12345, 0) == QCOW2_COMPRESSED);
  assert (kind_of (v3, COMPRESSED | COPIED, 0) == QCOW2_UNKNOWN);
  assert (kind_of (v2, DATA_AT, 0) == QCOW2_DATA);
  assert (kind_of (v2, 1, 0) == QCOW2_UNKNOWN);
  /* Only of a data file 0 is a place, and that of the guest alone. */
  assert (kind_of (v3, COPIED, 0) == QCOW2_UNKNOWN);
  assert (kind_of (external, 5 * CLUSTER | COPIED, 0) == QCOW2_DATA);
  assert (kind_of (external, 6 * CLUSTER | COPIED, 0) == QCOW2_UNKNOWN);
  assert (kind_of (external, COPIED, 0) == QCOW2_UNKNOWN);
  assert (kind_of (external, COMPRESSED | 12345, 0) == QCOW2_UNKNOWN);
  /* Reserved, and within a cluster. */
  for (bit = 1; bit < 62; bit += bit == 15 ? 41 : 1)
    assert (kind_of (v3, DATA_AT | COPIED | UINT64_C (1) << bit, 0) ==
            QCOW2_UNKNOWN);
}

static void
check_extended (void)
{
  struct qcow2_layer of = layer (true);
  uint64_t data = DATA_AT | COPIED;

  assert (kind_of (of, data, 1) == QCOW2_DATA);
  assert (kind_of (of, data, 2) == QCOW2_UNALLOCATED);
  assert (kind_of (of, data, UINT64_C (1) << 32) == QCOW2_ZERO);
  assert (kind_of (of, 0, UINT64_C (1) << 32) == QCOW2_ZERO);
  assert (kind_of (of, 0, 0) == QCOW2_UNALLOCATED);
  assert (kind_of (of, COMPRESSED | 12345, 0) == QCOW2_COMPRESSED);
  /* Both; data nowhere; the bit of other images. */
  assert (kind_of (of, data, 1 | UINT64_C (1) << 32) == QCOW2_UNKNOWN);
  assert (kind_of (of, data, 1 | 2 | UINT64_C (1) << 33) == QCOW2_UNKNOWN);
  assert (kind_of (of, 0, 2) == QCOW2_UNKNOWN);
  assert (kind_of (of, data | 1, 1) == QCOW2_UNKNOWN);
}

/* Clusters without the bit that says that nothing else uses them (D2). */
static void
check_shared_cluster (void)
{
  struct qcow2_layer of = layer (false), below = of;
  struct qcow2_run run;

  below.index = 1;
  of.header.cluster_bits = below.header.cluster_bits = 17;
  put64 (L1_AT, L2_AT | COPIED);
  put64 (L2_AT, 2 * DATA_AT | COPIED);
  put64 (L2_AT + 8, 2 * DATA_AT + 2 * CLUSTER);
  put64 (L2_AT + 16, 2 * DATA_AT + 4 * CLUSTER);
  run = map (&of, 0, 1 << 20);
  assert (run.kind == QCOW2_DATA && run.whole == 0);
  assert (run.length == 2 * CLUSTER);
  run = map (&of, 3 * CLUSTER, 1 << 20);
  assert (run.kind == QCOW2_DATA && run.whole == 2 * CLUSTER);
  assert (run.length == CLUSTER);
  run = map (&below, 0, 6 * CLUSTER);
  assert (run.kind == QCOW2_DATA && run.whole == 0);
  assert (run.length == 6 * CLUSTER);
  of.header.cluster_bits = 16;
  assert (map (&of, CLUSTER, 1).whole == 0);
  of.header.cluster_bits = 17;
  of.header.has_data_file = true;
  put64 (L2_AT + 8, 2 * CLUSTER);
  of.index = 2;
  assert (map (&of, 2 * CLUSTER, 1).whole == 0);
}

/* The guest writes: the table is copied to behind the data, and its place gets
 * other bytes, or is another table. */
static void
copy_table (void)
{
  assert (ftruncate (fd, 5 * CLUSTER) == 0);
  put64 (DATA_AT + CLUSTER, 7 * CLUSTER);
  put64 (L1_AT, (DATA_AT + CLUSTER) | COPIED);
  put64 (L2_AT, 9 * CLUSTER);
}

static void
check_shared_table (void)
{
  struct qcow2_layer of = layer (false);
  uint64_t second = UINT64_C (8192) * CLUSTER;  /* 512 MiB */

  put64 (L1_AT, L2_AT);
  put64 (L1_AT + 8, 0);
  put64 (L2_AT, 7 * CLUSTER);
  meanwhile = copy_table;
  assert (map (&of, 0, 1).host == 7 * CLUSTER && meanwhile == NULL);
  /* What was read before may be kept, but for that table. */
  of = layer (false);
  put64 (L1_AT, L2_AT);
  put64 (L2_AT, 7 * CLUSTER);
  assert (map (&of, 0, 1).host == 7 * CLUSTER);
  copy_table ();
  reads = 0;
  assert (map (&of, 0, 1).host == 7 * CLUSTER && reads == 0);
  put64 (L1_AT + 8, L2_AT | COPIED);
  qcow2_tables_forget (tables, 0, L1_AT);
  assert (map (&of, second, 1).host == 9 * CLUSTER);
  assert (map (&of, 0, 1).host == 7 * CLUSTER);
  put64 (L1_AT + 8, 0);
}

/* Its part of the L1 table is shorter than one of an L2 table. */
static void
check_l1_is_l2 (void)
{
  struct qcow2_layer of = layer (false);

  of.header.l1_size = 1;
  put64 (L1_AT, L1_AT | COPIED);
  put64 (L1_AT + 5 * 8, DATA_AT | COPIED);
  put64 (L1_AT + 100 * 8, 1);
  assert (map (&of, 5 * CLUSTER, 1).kind == QCOW2_DATA);
  assert (map (&of, 100 * CLUSTER, 1).kind == QCOW2_ZERO);
  put64 (L1_AT + 5 * 8, 0);
  put64 (L1_AT + 100 * 8, 0);
}

static void
check_l1 (void)
{
  struct qcow2_layer of = layer (false);
  uint64_t l2 = UINT64_C (8192) * CLUSTER;      /* 512 MiB */

  put64 (L1_AT, 0);
  put64 (L1_AT + 8, L2_AT | COPIED | 1);
  assert (map (&of, 4096, 1 << 30).kind == QCOW2_UNALLOCATED);
  assert (map (&of, 4096, 1 << 30).length == l2 - 4096);
  assert (map (&of, l2, 1 << 20).kind == QCOW2_UNKNOWN);
  assert (map (&of, l2, 1 << 20).length == CLUSTER);
  put64 (L1_AT + 8, L2_AT | COPIED | 512);
  assert (map (&of, l2, 1).kind == QCOW2_UNKNOWN);
  /* No file is so long. */
  put64 (L1_AT + 8, UINT64_C (0x80ffffffffff0000));
  assert (map (&of, l2, 1).kind == QCOW2_UNKNOWN);
  /* It was not valid: so it was read again each time. */
  put64 (L1_AT + 8, 0);
  assert (map (&of, l2, 1).kind == QCOW2_UNALLOCATED);
}

/* Runs end where the next cluster is elsewhere, or at the end of a slice. */
static void
check_runs (void)
{
  struct qcow2_layer of = layer (false), fine;
  uint64_t i, slice = QCOW2_SLICE_MAX / 8 * CLUSTER;
  struct qcow2_run run;

  put64 (L1_AT, L2_AT | COPIED);
  for (i = 0; i < 8192; i++)
    put64 (L2_AT + i * 8, DATA_AT + i * CLUSTER);
  put64 (L2_AT + 3 * 8, DATA_AT);
  run = map (&of, 1000, 1 << 30);
  assert (run.kind == QCOW2_DATA && run.host == DATA_AT + 1000);
  assert (run.length == 3 * CLUSTER - 1000);
  run = map (&of, 3 * CLUSTER, 1 << 30);
  assert (run.host == DATA_AT && run.length == CLUSTER);
  run = map (&of, 4 * CLUSTER + 1, 5 * CLUSTER);
  assert (run.host == DATA_AT + 4 * CLUSTER + 1 && run.length == 5 * CLUSTER);
  run = map (&of, slice - CLUSTER, 1 << 30);
  assert (run.length == CLUSTER);
  run = map (&of, slice, 1 << 30);
  assert (run.host == DATA_AT + slice);

  put64 (L2_AT + 16, DATA_AT);
  put64 (L2_AT + 24, 0x00f0000000000f0f);
  fine = layer (true);
  run = map (&fine, CLUSTER + 100, 1 << 30);
  assert (run.kind == QCOW2_DATA && run.host == DATA_AT + 100);
  assert (run.length == 4 * 2048 - 100);
  run = map (&fine, CLUSTER + 5 * 2048, 1 << 30);
  assert (run.kind == QCOW2_UNALLOCATED && run.length == 3 * 2048);
  run = map (&fine, CLUSTER + 9 * 2048, 1 << 30);
  assert (run.kind == QCOW2_DATA && run.host == DATA_AT + 9 * 2048);
  run = map (&fine, CLUSTER + 20 * 2048, 1 << 30);
  assert (run.kind == QCOW2_ZERO && run.length == 4 * 2048);
}

/* D4 */
static void
check_torn (void)
{
  struct qcow2_layer of = layer (false);

  put64 (L1_AT, L2_AT | COPIED);
  put64 (L2_AT, DATA_AT);
  torn = 5;
  assert (map (&of, 0, 1).kind == QCOW2_DATA && torn == 0);
  reads = 0;
  assert (map (&of, 0, 1).kind == QCOW2_DATA && reads == 0);
  /* Without end. */
  of = layer (false);
  torn = 100000;
  assert (map (&of, 0, 1).kind == QCOW2_UNKNOWN && torn > 0);
  torn = 0;
  assert (map (&of, 0, 1).kind == QCOW2_DATA);
}

/* Far more tables than are kept. */
static void
check_bound (void)
{
  struct qcow2_layer of = layer (false);
  uint64_t i;

  put64 (L1_AT, L2_AT | COPIED);
  put64 (L2_AT, DATA_AT);
  for (i = 0; i < 8 * QCOW2_TABLES_BYTES / QCOW2_SLICE_MAX; i++) {
    of.index = (unsigned) i;
    assert (map (&of, 0, 1).kind == QCOW2_DATA);
  }
  reads = 0;
  assert (map (&of, 0, 1).kind == QCOW2_DATA && reads == 0);
  of.index = 0;
  assert (map (&of, 0, 1).kind == QCOW2_DATA && reads == 4);
}

/* Many threads want more slices than are kept, and forget them. */
static void *
map_much (void *data)
{
  const struct qcow2_layer *first = data;
  unsigned i;

  for (i = 0; i < 2000; i++) {
    struct qcow2_layer of = *first;

    of.index = i * 7 % (2 * QCOW2_TABLES_BYTES / QCOW2_SLICE_MAX);
    assert (map (&of, i % 5 * CLUSTER, 1).kind == QCOW2_DATA);
    if (i % 16 == 0)
      qcow2_tables_forget (tables, of.index, L2_AT);
  }
  return NULL;
}

static void
check_threads (void)
{
  struct qcow2_layer of = layer (false);
  pthread_t threads[6];
  unsigned i;

  put64 (L1_AT, L2_AT | COPIED);
  for (i = 0; i < 5; i++)
    put64 (L2_AT + i * 8, DATA_AT);
  for (i = 0; i < 6; i++)
    assert (pthread_create (&threads[i], NULL, map_much, &of) == 0);
  for (i = 0; i < 6; i++)
    pthread_join (threads[i], NULL);
}

static uint64_t
dice (void)
{
  static uint64_t state = 88172645463325252;

  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/* No crash, no loop; what is inside the disk stays inside. */
static void
check_random (void)
{
  unsigned i, j;

  for (i = 0; i < 300; i++) {
    struct qcow2_layer of = layer (dice () % 2);

    of.header.has_data_file = dice () % 4 == 0;
    of.header.cluster_bits = 14 + (unsigned) (dice () % 8);
    of.header.size = (dice () % (1 << 30) | 511) + 1;
    of.header.l1_size = 1 << 20;
    for (j = 0; j < 200; j++) {
      uint64_t words[] = { dice (), dice () & 0xffff0000, dice () % 64 << 16,
                           0, COPIED, COMPRESSED };

      put64 (dice () % (DATA_AT / 8) * 8, words[dice () % 6] | words[dice () % 6]);
    }
    for (j = 0; j < 200; j++) {
      uint64_t offset = dice () % of.header.size;

      map (&of, offset, 1 + dice () % (of.header.size - offset));
    }
  }
}

int
main (void)
{
  char path[] = "test-qcow2-layer-XXXXXX";

  fd = mkstemp (path);
  assert (fd >= 0);
  unlink (path);
  assert (ftruncate (fd, 4 * CLUSTER) == 0);
  check_standard ();
  check_extended ();
  check_shared_cluster ();
  check_shared_table ();
  check_l1_is_l2 ();
  check_l1 ();
  check_runs ();
  check_torn ();
  check_bound ();
  check_threads ();
  check_random ();
  qcow2_tables_destroy (tables);
  io_ring_free_all ();
  close (fd);
  return 0;
}
