/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A word that is wrong would show one granule's old data as another's.  What is lost
 * is a zero, which says so; and no slot is believed that was not taken yet. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "checked-math.h"
#include "counter-atomic.h"
#include "granule-atomic.h"
#include "map-file.h"
#include "slot-table.h"

#define TABLE_MAGIC "PULLBKST"
#define TABLE_VERSION 1u
#define WORD_ZEROS UINT32_MAX
#define SLOTS_MAX (UINT32_MAX - 1ull)

/* As it lies in the file, all little-endian. */
struct table_header {
  char magic[8];
  uint32_t version;
  uint32_t features;
  uint64_t disk_size;
  uint32_t granule;
  uint32_t zeros;
  _Atomic uint64_t taken;
};
_Static_assert (offsetof (struct table_header, disk_size) == 16, "format");
_Static_assert (offsetof (struct table_header, taken) == 32, "format");

struct slot_table {
  struct map_file file;
  struct table_header *header;  /* the mapping of the whole file */
  _Atomic uint32_t *words;
  unsigned shift;               /* log2 of the granule */
};

/* The length of the file. */
static uint64_t
table_size (uint64_t disk_size, uint32_t granule)
{
  return MAP_FILE_HEADER + (disk_size / granule + (disk_size % granule != 0)) *
                           sizeof (uint32_t);
}

int
slot_table_create (const char *path, uint64_t disk_size, uint32_t granule)
{
  _Alignas (8) char page[MAP_FILE_HEADER] = { 0 };
  struct table_header *header = (struct table_header *) page;

  memcpy (header->magic, TABLE_MAGIC, sizeof header->magic);
  header->version = htole32 (TABLE_VERSION);
  header->disk_size = htole64 (disk_size);
  header->granule = htole32 (granule);
  return map_file_create (path, page, table_size (disk_size, granule), false);
}

static int
check_header (const char page[MAP_FILE_HEADER], uint64_t length)
{
  const struct table_header *header = (const struct table_header *) page;
  uint32_t granule = le32toh (header->granule);

  if (memcmp (header->magic, TABLE_MAGIC, sizeof header->magic) != 0)
    return -EINVAL;
  if (le32toh (header->version) != TABLE_VERSION || header->features != 0)
    return -EPROTONOSUPPORT;
  return granule == 0 || (granule & (granule - 1)) != 0 ||
         table_size (le64toh (header->disk_size), granule) != length
         ? -EINVAL : 0;
}

/* Has every granule of PRESENT its slot? */
static bool
has_all (const struct slot_table *table, const struct granule_map *present)
{
  uint64_t size = granule_map_disk_size (present), at = 0, end, run, place;
  bool set;

  while (at < size) {
    run = granule_map_run (present, at, size - at, &set);
    for (end = at + run; at < end; at += run)
      if (!set)
        run = end - at;
      else if (slot_table_find (table, at, end - at, &run, &place) < 0)
        return false;
  }
  return true;
}

/* Of a broken one nobody reads anything. */
static int
check_present (const struct slot_table *table,
               const struct granule_map *present)
{
  const struct table_header *header = table->header;

  if (le64toh (header->disk_size) != granule_map_disk_size (present) ||
      le32toh (header->granule) != granule_map_granule (present))
    return -EINVAL;
  return granule_map_said_broken (present) || has_all (table, present)
         ? 0 : -EINVAL;
}

int
slot_table_open (const char *path, bool writable,
                 const struct granule_map *present, struct slot_table **result)
{
  struct slot_table *table = calloc (1, sizeof *table);
  int r;

  if (table == NULL)
    return -ENOMEM;
  r = map_file_open (path, writable, check_header, &table->file);
  if (r == 0) {
    table->header = (struct table_header *) table->file.start;
    table->words = (_Atomic uint32_t *) (table->file.start + MAP_FILE_HEADER);
    table->shift = (unsigned) __builtin_ctz (granule_map_granule (present));
    r = check_present (table, present);
  }
  if (r < 0) {
    slot_table_close (table);
    return r;
  }
  *result = table;
  return 0;
}

void
slot_table_close (struct slot_table *table)
{
  if (table == NULL)
    return;
  map_file_close (&table->file);
  free (table);
}

/* Rule S7: counted before it is used, so that the next sink goes on behind what a killed
 * one had. */
int
slot_table_take (struct slot_table *table, uint64_t n, uint64_t *first)
{
  uint64_t taken;

  if (table->file.pages == NULL)
    return -EBADF;
  if (n > SLOTS_MAX || counter_load (&table->header->taken) > SLOTS_MAX - n)
    return -EFBIG;
  taken = counter_add_as (&table->header->taken, n, memory_order_relaxed);
  if (taken > SLOTS_MAX)
    return -EFBIG;
  *first = taken - n;
  return 0;
}

/* VALUE is that of the first word, each further one is STEP more. */
static int
store_words (struct slot_table *table, uint64_t offset, uint64_t length,
             uint32_t value, uint32_t step)
{
  uint64_t word = offset >> table->shift;
  uint64_t last = (offset + length - 1) >> table->shift;
  int r = map_file_allocate (&table->file,
                             MAP_FILE_HEADER + word * sizeof (uint32_t),
                             MAP_FILE_HEADER + last * sizeof (uint32_t));

  if (r < 0)
    return r;
  for (; word <= last; word++, value += step)
    granule_slot_store (&table->words[word], htole32 (value));
  return 0;
}

int
slot_table_set (struct slot_table *table, uint64_t offset, uint64_t length,
                uint64_t place)
{
  return store_words (table, offset, length,
                      (uint32_t) (place >> table->shift) + 1, 1);
}

int
slot_table_set_zeros (struct slot_table *table, uint64_t offset,
                      uint64_t length)
{
  return store_words (table, offset, length, WORD_ZEROS, 0);
}

static uint32_t
load_word (const struct slot_table *table, uint64_t word)
{
  return le32toh (granule_slot_load (&table->words[word]));
}

int
slot_table_find (const struct slot_table *table, uint64_t offset,
                 uint64_t limit, uint64_t *length, uint64_t *place)
{
  uint64_t word = offset >> table->shift, n = 1, taken;
  uint64_t last = (offset + limit - 1) >> table->shift;
  uint32_t value = load_word (table, word);
  uint32_t step = value == WORD_ZEROS ? 0 : 1;

  /* After the word: it was taken before that was stored. */
  taken = counter_load (&table->header->taken);
  if (value == 0 || (value != WORD_ZEROS && value > taken))
    return -EIO;
  while (word + n <= last && load_word (table, word + n) == value + n * step &&
         (step == 0 || value + n <= taken))
    n++;
  *length = min_u64 (((word + n) << table->shift) - offset, limit);
  if (step == 0)
    return SLOT_ZEROS;
  *place = ((value - 1ull) << table->shift) +
           (offset & ((1ull << table->shift) - 1));
  return SLOT_DATA;
}

int
slot_table_lost (struct slot_table *table)
{
  return late_error_look (&table->file.late);
}
