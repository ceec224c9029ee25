/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A slice has its place in one of many small sets, each with a lock of its own
 * and the oldest of its few slices to be replaced: threads that read in
 * different places seldom meet, and a hit costs one lock that nobody holds.
 *
 * Rule D4: QEMU may be writing a table while it is read.  A slice counts only
 * when it was read twice and came out the same: so no entry is half old and
 * half new. */
#include <config.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2-tables.h"

#define WAYS 8u
#define SETS (QCOW2_TABLES_BYTES / QCOW2_SLICE_MAX / WAYS)
/* How often a slice that is not the same twice is read. */
#define READS_MAX 64

struct kept {
  uint64_t offset;
  unsigned layer;
  bool valid, may_be_freed;
  uint64_t used;                /* by the set's clock */
  uint64_t *entries;            /* of capacity bytes; NULL: none yet */
  uint32_t length, capacity;    /* bytes */
};

struct set {
  pthread_mutex_t lock;         /* protects all below */
  uint64_t clock;
  struct kept kept[WAYS];
};

struct qcow2_tables {
  struct set sets[SETS];
};

struct qcow2_tables *
qcow2_tables_create (void)
{
  struct qcow2_tables *tables = calloc (1, sizeof *tables);
  unsigned i;

  for (i = 0; tables != NULL && i < SETS; i++)
    pthread_mutex_init (&tables->sets[i].lock, NULL);
  return tables;
}

void
qcow2_tables_destroy (struct qcow2_tables *tables)
{
  unsigned i, j;

  for (i = 0; tables != NULL && i < SETS; i++) {
    for (j = 0; j < WAYS; j++)
      free (tables->sets[i].kept[j].entries);
    pthread_mutex_destroy (&tables->sets[i].lock);
  }
  free (tables);
}

static struct set *
set_of (struct qcow2_tables *tables, unsigned layer, uint64_t offset)
{
  /* Offsets are multiples of 512 or more; the upper bits of the product
   * depend on all of them. */
  uint64_t mixed = ((offset >> 9) + layer * UINT64_C (0x632be59bd9b4e019)) *
                   UINT64_C (0x9e3779b97f4a7c15);

  return &tables->sets[(mixed >> 32) % SETS];
}

/* A hostile image can have a table of one kind, and so of one length, where there
 * is one of another.  And one that was freed may have given its place to one that
 * cannot be (D2). */
static struct kept *
find_locked (struct set *set, const struct qcow2_want *want)
{
  unsigned i;

  for (i = 0; i < WAYS; i++) {
    struct kept *kept = &set->kept[i];

    if (kept->valid && kept->offset == want->offset &&
        kept->layer == want->layer && kept->length == want->length &&
        kept->may_be_freed == want->may_be_freed) {
      kept->used = ++set->clock;
      return kept;
    }
  }
  return NULL;
}

/* D4 */
static int
read_same_twice (const struct qcow2_want *want, uint64_t *entries)
{
  uint64_t again[QCOW2_SLICE_MAX / sizeof (uint64_t)];
  unsigned reads;
  int r = image_file_read (want->file, entries, want->length, want->offset);

  for (reads = 1; r == 0 && reads < READS_MAX; reads++) {
    r = image_file_read (want->file, again, want->length, want->offset);
    if (r < 0 || memcmp (entries, again, want->length) == 0)
      return r;
    memcpy (entries, again, want->length);
  }
  return r < 0 ? r : -EIO;
}

/* D2: QEMU names the new table in the file before it frees this one.  While all of
 * the word is the old one that has not been done. */
static int
look_at_name (const struct qcow2_want *want)
{
  uint64_t named;
  int r = image_file_read (want->file, &named, sizeof named, want->named_at);

  return r < 0 ? r : named == want->named ? 0 : -ESTALE;
}

/* Puts it into the place of the oldest. */
static struct kept *
keep_locked (struct set *set, const struct qcow2_want *want,
             const uint64_t *entries)
{
  struct kept *oldest = &set->kept[0];
  unsigned i;

  for (i = 1; i < WAYS && oldest->valid; i++)
    if (!set->kept[i].valid || set->kept[i].used < oldest->used)
      oldest = &set->kept[i];
  oldest->valid = false;
  if (oldest->capacity < want->length) {
    free (oldest->entries);
    oldest->entries = malloc (want->length);
    oldest->capacity = oldest->entries != NULL ? want->length : 0;
  }
  if (oldest->entries == NULL)
    return NULL;
  memcpy (oldest->entries, entries, want->length);
  oldest->offset = want->offset;
  oldest->length = want->length;
  oldest->layer = want->layer;
  oldest->may_be_freed = want->may_be_freed;
  oldest->used = ++set->clock;
  oldest->valid = true;
  return oldest;
}

/* Of its own, so that a hit has no large frame.  Returns with the set locked if
 * it succeeds. */
static int __attribute__ ((noinline))
read_and_keep (struct set *set, const struct qcow2_want *want,
               struct kept **kept)
{
  uint64_t entries[QCOW2_SLICE_MAX / sizeof (uint64_t)];
  int r = read_same_twice (want, entries);

  if (r == 0 && want->may_be_freed)
    r = look_at_name (want);
  if (r < 0)
    return r;
  pthread_mutex_lock (&set->lock);
  /* Another thread may have read it meanwhile. */
  *kept = find_locked (set, want);
  if (*kept == NULL)
    *kept = keep_locked (set, want, entries);
  if (*kept != NULL)
    return 0;
  pthread_mutex_unlock (&set->lock);
  return -ENOMEM;
}

int
qcow2_tables_hold (struct qcow2_tables *tables, const struct qcow2_want *want,
                   struct qcow2_slice *slice)
{
  struct set *set = set_of (tables, want->layer, want->offset);
  struct kept *kept;
  int r;

  pthread_mutex_lock (&set->lock);
  kept = find_locked (set, want);
  if (kept == NULL) {
    pthread_mutex_unlock (&set->lock);
    r = read_and_keep (set, want, &kept);
    if (r < 0)
      return r;
  }
  slice->entries = kept->entries;
  slice->lock = &set->lock;
  return 0;
}

void
qcow2_tables_release (const struct qcow2_slice *slice)
{
  pthread_mutex_unlock (slice->lock);
}

void
qcow2_tables_forget (struct qcow2_tables *tables, unsigned layer,
                     uint64_t offset)
{
  struct set *set = set_of (tables, layer, offset);
  unsigned i;

  pthread_mutex_lock (&set->lock);
  for (i = 0; i < WAYS; i++)
    if (set->kept[i].offset == offset && set->kept[i].layer == layer)
      set->kept[i].valid = false;
  pthread_mutex_unlock (&set->lock);
}
