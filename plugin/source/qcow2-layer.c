/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table has a word for each unit of the disk: a cluster, or in images with
 * extended L2 entries a subcluster, 32 of which share an entry of two words.
 *
 * Rule D5: the image may be hostile, and may be written to meanwhile.  An entry
 * with a bit that has no meaning, or with an offset that no cluster can have,
 * says nothing; the tables are read anew then. */
#include <config.h>

#include <endian.h>
#include <stdbool.h>

#include "checked-math.h"
#include "qcow2-layer.h"

/* Of L1 and L2 entries. */
#define OFFSET_MASK UINT64_C (0x00fffffffffffe00)
#define COPIED (UINT64_C (1) << 63)
/* Of L2 entries. */
#define COMPRESSED (UINT64_C (1) << 62)
#define ZERO UINT64_C (1)

/* How often tables are looked at.  One that was copied (D2) is found the second time,
 * unless another thread has kept meanwhile what it had read before. */
#define TRIES 3

/* A granule is no smaller than a cluster of this size. */
#define GRANULE_BITS 16u

#define SUBCLUSTER_BITS 5u      /* 32 of them */

static uint64_t
cluster_size (const struct qcow2_layer *layer)
{
  return UINT64_C (1) << layer->header.cluster_bits;
}

/* Shifts: bytes of an L2 entry, and entries of an L2 table. */
static unsigned
entry_bits (const struct qcow2_layer *layer)
{
  return layer->header.extended_l2 ? 4 : 3;
}

static unsigned
table_bits (const struct qcow2_layer *layer)
{
  return layer->header.cluster_bits - entry_bits (layer);
}

static unsigned
unit_bits (const struct qcow2_layer *layer)
{
  return layer->header.cluster_bits -
         (layer->header.extended_l2 ? SUBCLUSTER_BITS : 0);
}

static uint32_t
slice_bytes (const struct qcow2_layer *layer)
{
  return (uint32_t) min_u64 (cluster_size (layer), QCOW2_SLICE_MAX);
}

/* --- L1 ----------------------------------------------------------------- */

/* The last slice of the table ends with it: the file may end there. */
static bool
read_l1_entry (const struct qcow2_layer *layer, struct qcow2_tables *tables,
               uint64_t index, uint64_t *entry)
{
  uint64_t from = round_down_pow2 (index * 8, slice_bytes (layer));
  uint64_t length = min_u64 (slice_bytes (layer),
                             (uint64_t) layer->header.l1_size * 8 - from);
  struct qcow2_want want = {
    .file = &layer->file, .layer = layer->index,
    .offset = layer->header.l1_offset + from, .length = (uint32_t) length,
  };
  struct qcow2_slice slice;

  if (qcow2_tables_hold (tables, &want, &slice) < 0)
    return false;
  *entry = be64toh (slice.entries[(index * 8 - from) / 8]);
  qcow2_tables_release (&slice);
  return true;
}

static void
forget_l1_entry (const struct qcow2_layer *layer, struct qcow2_tables *tables,
                 uint64_t index)
{
  qcow2_tables_forget (tables, layer->index, layer->header.l1_offset +
                       round_down_pow2 (index * 8, slice_bytes (layer)));
}

/* --- L2 ----------------------------------------------------------------- */

/* D2: without COPIED something else uses the table or cluster, too, and a write
 * to a part of it moves the rest.  Where nothing else does, QEMU frees the old one
 * at once. */
static bool
may_be_freed (const struct qcow2_layer *layer, uint64_t entry)
{
  return (entry & COPIED) == 0 && layer->index == 0;
}

static bool
cluster_may_be_freed (const struct qcow2_layer *layer, uint64_t entry)
{
  return may_be_freed (layer, entry) && !layer->header.has_data_file &&
         layer->header.cluster_bits > GRANULE_BITS;
}

/* What ENTRY alone says. */
static struct qcow2_run
standard_cluster (const struct qcow2_layer *layer, uint64_t entry,
                  uint64_t guest)
{
  struct qcow2_run run = { QCOW2_UNKNOWN, entry & OFFSET_MASK, 0, 0 };
  bool zero = (entry & ZERO) != 0;

  if ((entry & ~(OFFSET_MASK | COPIED | ZERO)) != 0 ||
      (run.host & (cluster_size (layer) - 1)) != 0 ||
      (zero && (layer->header.version < 3 || layer->header.extended_l2)))
    return run;
  /* Of the data file every offset is the guest's, 0 as well. */
  if (run.host == 0 && (entry & COPIED) != 0 && !layer->header.has_data_file)
    return run;
  if (zero)
    run.kind = QCOW2_ZERO;
  else if (run.host == 0 && (entry & COPIED) == 0)
    run.kind = QCOW2_UNALLOCATED;
  else if (!layer->header.has_data_file || run.host == guest)
    run.kind = QCOW2_DATA;
  if (cluster_may_be_freed (layer, entry))
    run.whole = cluster_size (layer);
  return run;
}

/* What the bitmap of ENTRY says of its subcluster NUMBER. */
static struct qcow2_run
subcluster (const struct qcow2_layer *layer, struct qcow2_run cluster,
            uint64_t bitmap, unsigned number)
{
  uint32_t allocated = (uint32_t) bitmap, zero = (uint32_t) (bitmap >> 32);

  if (cluster.kind == QCOW2_UNKNOWN)
    return cluster;
  if ((allocated & zero) != 0 ||
      (cluster.kind == QCOW2_UNALLOCATED && allocated != 0))
    cluster.kind = QCOW2_UNKNOWN;
  else if ((allocated >> number & 1) != 0)
    cluster.host += (uint64_t) number << unit_bits (layer);
  else
    cluster.kind = (zero >> number & 1) != 0 ? QCOW2_ZERO : QCOW2_UNALLOCATED;
  return cluster;
}

/* The unit at GUEST, of the entry at WORDS; its length is the caller's. */
static struct qcow2_run
decode (const struct qcow2_layer *layer, const uint64_t *words, uint64_t guest)
{
  uint64_t entry = be64toh (words[0]);
  uint64_t cluster = round_down_pow2 (guest, cluster_size (layer));
  struct qcow2_run run = { QCOW2_COMPRESSED, 0, 0, 0 };

  if ((entry & COMPRESSED) != 0) {
    if ((entry & COPIED) != 0 || layer->header.has_data_file)
      run.kind = QCOW2_UNKNOWN;
    return run;
  }
  run = standard_cluster (layer, entry, cluster);
  if (layer->header.extended_l2)
    run = subcluster (layer, run, be64toh (words[1]),
                      (unsigned) ((guest - cluster) >> unit_bits (layer)));
  return run;
}

/* Does NEXT, at AT, go on where RUN ends? */
static bool
goes_on (const struct qcow2_run *run, const struct qcow2_run *next,
         uint64_t at)
{
  if (next->kind != run->kind || next->kind != QCOW2_DATA)
    return next->kind == run->kind;
  return next->host == run->host + run->length && next->whole == run->whole &&
         (next->whole == 0 || (at & (next->whole - 1)) != 0);
}

/* The run at OFFSET from what the slice has, which begins with the entry of
 * GUEST. */
static void
walk_slice (const struct qcow2_layer *layer, const uint64_t *entries,
            uint64_t guest, uint64_t offset, uint64_t limit,
            struct qcow2_run *run)
{
  uint64_t unit = UINT64_C (1) << unit_bits (layer);
  uint64_t covered = (uint64_t) slice_bytes (layer) >> entry_bits (layer)
                     << layer->header.cluster_bits;
  uint64_t end = min_u64 (offset + limit, guest + covered);
  uint64_t at = round_down_pow2 (offset, unit);

  for (; at < end; at += unit) {
    uint64_t index = (at - guest) >> layer->header.cluster_bits;
    struct qcow2_run next = decode (layer, entries +
                                    (index << (entry_bits (layer) - 3)), at);

    if (at <= offset) {
      *run = next;
      run->host += offset - at;
    }
    else if (!goes_on (run, &next, at))
      break;
    run->length = min_u64 (at + unit, end) - offset;
  }
}

/* --- both --------------------------------------------------------------- */

/* Of the L2 table that ENTRY, the one of INDEX in the L1 table, names. */
static int
hold_l2_slice (const struct qcow2_layer *layer, struct qcow2_tables *tables,
               uint64_t index, uint64_t entry, uint64_t offset,
               struct qcow2_slice *slice)
{
  struct qcow2_want want = {
    .file = &layer->file, .layer = layer->index,
    .offset = offset, .length = slice_bytes (layer),
    .may_be_freed = may_be_freed (layer, entry),
    .named_at = layer->header.l1_offset + index * 8, .named = htobe64 (entry),
  };

  return qcow2_tables_hold (tables, &want, slice);
}

/* False: cannot be told.  *FORGET is the L2 slice then, 0 if there is none. */
static bool
map_once (const struct qcow2_layer *layer, struct qcow2_tables *tables,
          uint64_t offset, uint64_t limit, struct qcow2_run *run,
          uint64_t *forget)
{
  unsigned table_shift = table_bits (layer) + layer->header.cluster_bits;
  uint64_t table_start = offset >> table_shift << table_shift;
  uint64_t index = (offset - table_start) >> layer->header.cluster_bits;
  uint64_t first, entry;
  struct qcow2_slice slice;

  *forget = 0;
  if (!read_l1_entry (layer, tables, offset >> table_shift, &entry) ||
      (entry & ~(OFFSET_MASK | COPIED)) != 0 ||
      (entry & OFFSET_MASK & (cluster_size (layer) - 1)) != 0)
    return false;
  if ((entry & OFFSET_MASK) == 0) {
    run->kind = QCOW2_UNALLOCATED;
    run->length = min_u64 (limit, (UINT64_C (1) << table_shift) -
                                  (offset - table_start));
    return true;
  }
  first = round_down_pow2 (index,
                           slice_bytes (layer) >> entry_bits (layer));
  *forget = (entry & OFFSET_MASK) + (first << entry_bits (layer));
  if (hold_l2_slice (layer, tables, offset >> table_shift, entry, *forget,
                     &slice) < 0)
    return false;
  walk_slice (layer, slice.entries,
              table_start + (first << layer->header.cluster_bits), offset,
              limit, run);
  qcow2_tables_release (&slice);
  return run->kind != QCOW2_UNKNOWN;
}

void
qcow2_layer_map (const struct qcow2_layer *layer, struct qcow2_tables *tables,
                 uint64_t offset, uint64_t limit, struct qcow2_run *run)
{
  unsigned table_shift = table_bits (layer) + layer->header.cluster_bits;
  uint64_t forget;
  unsigned tries;

  for (tries = 0; tries < TRIES; tries++) {
    run->kind = QCOW2_UNKNOWN;
    if (map_once (layer, tables, offset, limit, run, &forget))
      return;
    /* D5 */
    if (forget != 0)
      qcow2_tables_forget (tables, layer->index, forget);
    forget_l1_entry (layer, tables, offset >> table_shift);
  }
  run->kind = QCOW2_UNKNOWN;
  run->length = min_u64 (limit, cluster_size (layer) -
                                (offset & (cluster_size (layer) - 1)));
}
