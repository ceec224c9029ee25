/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file is map-file.c's; here are its bits, and what a second look may rely
 * on (granule-atomic.h). */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "checked-math.h"
#include "granule-atomic.h"
#include "granule-map.h"
#include "map-file.h"

#define MAP_MAGIC "PULLBKGM"
#define MAP_VERSION 1u
#define GRANULE_MIN 512u
#define GRANULE_MAX (1u << 30)

/* As it lies in the file, all little-endian. */
struct map_header {
  char magic[8];
  uint32_t version;
  uint32_t features;
  uint64_t disk_size;
  uint32_t granule;
  _Atomic uint32_t state;
  int32_t reason;
};
_Static_assert (offsetof (struct map_header, disk_size) == 16, "format");
_Static_assert (offsetof (struct map_header, state) == 28, "format");
_Static_assert (offsetof (struct map_header, reason) == 32, "format");

struct granule_map {
  struct map_file file;
  struct map_header *header;    /* the mapping of the whole file */
  _Atomic uint64_t *words;
  uint64_t disk_size;
  uint64_t granules;
  unsigned shift;               /* log2 of the granule */
  pthread_mutex_t broken_lock;  /* protects reason's first write */
};

static uint64_t
count_granules (uint64_t disk_size, uint32_t granule)
{
  return disk_size / granule + (disk_size % granule != 0);
}

/* The length of the file, or 0 if there is no such map. */
static uint64_t
map_file_size (uint64_t disk_size, uint32_t granule)
{
  if (granule < GRANULE_MIN || granule > GRANULE_MAX ||
      (granule & (granule - 1)) != 0 || disk_size > INT64_MAX)
    return 0;
  return MAP_FILE_HEADER +
         (count_granules (disk_size, granule) + 63) / 64 * sizeof (uint64_t);
}

int
granule_map_create (const char *path, uint64_t disk_size, uint32_t granule)
{
  uint64_t length = map_file_size (disk_size, granule);
  _Alignas (8) char page[MAP_FILE_HEADER] = { 0 };
  struct map_header *header = (struct map_header *) page;

  if (length == 0)
    return -EINVAL;
  memcpy (header->magic, MAP_MAGIC, sizeof header->magic);
  header->version = htole32 (MAP_VERSION);
  header->disk_size = htole64 (disk_size);
  header->granule = htole32 (granule);
  return map_file_create (path, page, length, true);
}

/* Checks what the header says against what the file is. */
static int
check_header (const char page[MAP_FILE_HEADER], uint64_t length)
{
  const struct map_header *header = (const struct map_header *) page;
  uint64_t wanted;

  if (memcmp (header->magic, MAP_MAGIC, sizeof header->magic) != 0)
    return -EINVAL;
  if (le32toh (header->version) != MAP_VERSION ||
      le32toh (header->features) != 0)
    return -EPROTONOSUPPORT;
  wanted = map_file_size (le64toh (header->disk_size),
                          le32toh (header->granule));
  return wanted == 0 || wanted != length ? -EINVAL : 0;
}

static void
take_header (struct granule_map *map)
{
  map->header = (struct map_header *) map->file.start;
  map->words = (_Atomic uint64_t *) (map->file.start + MAP_FILE_HEADER);
  map->disk_size = le64toh (map->header->disk_size);
  map->shift = (unsigned) __builtin_ctz (le32toh (map->header->granule));
  map->granules = count_granules (map->disk_size, 1u << map->shift);
}

int
granule_map_open (const char *path, bool writable, struct granule_map **result)
{
  struct granule_map *map = calloc (1, sizeof *map);
  int r;

  if (map == NULL)
    return -ENOMEM;
  pthread_mutex_init (&map->broken_lock, NULL);
  r = map_file_open (path, writable, check_header, &map->file);
  if (r < 0) {
    granule_map_close (map);
    return r;
  }
  take_header (map);
  *result = map;
  return 0;
}

void
granule_map_close (struct granule_map *map)
{
  if (map == NULL)
    return;
  map_file_close (&map->file);
  pthread_mutex_destroy (&map->broken_lock);
  free (map);
}

uint64_t
granule_map_disk_size (const struct granule_map *map)
{
  return map->disk_size;
}

uint32_t
granule_map_granule (const struct granule_map *map)
{
  return 1u << map->shift;
}

static int
allocate_words (struct granule_map *map, uint64_t first, uint64_t last)
{
  return map_file_allocate (&map->file,
                            MAP_FILE_HEADER + first * sizeof (uint64_t),
                            MAP_FILE_HEADER + last * sizeof (uint64_t));
}

/* Those of WORD that are of the granules FIRST to LAST. */
static uint64_t
bits_between (uint64_t first, uint64_t last, uint64_t word)
{
  uint64_t bits = UINT64_MAX;

  if (word == first / 64)
    bits &= UINT64_MAX << (first % 64);
  if (word == last / 64)
    bits &= UINT64_MAX >> (63 - last % 64);
  return bits;
}

int
granule_map_set (struct granule_map *map, uint64_t offset, uint64_t length)
{
  uint64_t first, last, word;
  int r;

  if (!range_is_inside (offset, length, map->disk_size))
    return -EINVAL;
  if (map->file.pages == NULL)
    return -EBADF;
  if (length == 0)
    return 0;
  first = offset >> map->shift;
  last = (offset + length - 1) >> map->shift;
  r = allocate_words (map, first / 64, last / 64);
  if (r < 0)
    return r;
  for (word = first / 64; word <= last / 64; word++)
    granule_word_set_release (&map->words[word],
                              htole64 (bits_between (first, last, word)));
  return 0;
}

static uint64_t
load_word (const struct granule_map *map, uint64_t word)
{
  return le64toh (granule_word_acquire (&map->words[word]));
}

uint64_t
granule_map_clear (struct granule_map *map, uint64_t offset, uint64_t length)
{
  uint64_t first = offset >> map->shift, granule = 1ull << map->shift;
  uint64_t last = (offset + length - 1) >> map->shift, end = map->granules - 1;
  uint64_t cleared = 0, word, bits;

  for (word = first / 64; word <= last / 64; word++) {
    bits = bits_between (first, last, word) & load_word (map, word);
    if (bits == 0)
      continue;                 /* nor is the page given blocks */
    bits &= le64toh (granule_word_clear (&map->words[word], htole64 (bits)));
    cleared += (uint64_t) __builtin_popcountll (bits) * granule;
    if (word == end / 64 && bits >> (end % 64) & 1)
      cleared -= (end + 1) * granule - map->disk_size;
  }
  return cleared;
}

bool
granule_map_test (const struct granule_map *map, uint64_t offset)
{
  uint64_t granule = offset >> map->shift;

  granule_look_fence ();
  return load_word (map, granule / 64) >> (granule % 64) & 1;
}

uint64_t
granule_map_run (const struct granule_map *map, uint64_t offset,
                 uint64_t limit, bool *set)
{
  uint64_t end = offset + min_u64 (limit, map->disk_size - offset);
  uint64_t granule = offset >> map->shift;
  uint64_t word = granule / 64;
  uint64_t last_word = ((end - 1) >> map->shift) / 64;
  uint64_t bits, change, stop;
  bool is_set;

  granule_look_fence ();
  bits = load_word (map, word);
  is_set = bits >> (granule % 64) & 1;
  /* A one in CHANGE is a granule that differs from the first. */
  change = (is_set ? ~bits : bits) & (UINT64_MAX << (granule % 64));
  while (change == 0 && word < last_word) {
    bits = load_word (map, ++word);
    change = is_set ? ~bits : bits;
  }
  *set = is_set;
  if (change == 0)
    return end - offset;
  stop = word * 64 + (unsigned) __builtin_ctzll (change);
  /* Bits behind the disk's last granule are clear and end a set run: END cuts
   * it. */
  return min_u64 (stop << map->shift, end) - offset;
}

uint64_t
granule_map_count_bytes (const struct granule_map *map)
{
  uint64_t words = (map->granules + 63) / 64;
  uint64_t granule = 1ull << map->shift;
  uint64_t count = 0, word, tail;

  for (word = 0; word < words; word++)
    count += (unsigned) __builtin_popcountll (load_word (map, word));
  count *= granule;
  tail = map->disk_size % granule;
  if (tail != 0 && granule_map_test (map, map->disk_size - 1))
    count -= granule - tail;
  return count;
}

static uint64_t
load_any (const struct granule_map *const *maps, size_t n, uint64_t word)
{
  uint64_t bits = 0;
  size_t i;

  for (i = 0; i < n; i++)
    bits |= load_word (maps[i], word);
  return bits;
}

/* How many granules from FIRST on are set, of 1 << SHIFT: so many are aligned. */
static uint64_t
count_group (const struct granule_map *map, uint64_t first, unsigned shift)
{
  uint64_t words = (map->granules + 63) / 64, count = 0, word;

  if (shift < 6)
    return (unsigned) __builtin_popcountll (
      load_word (map, first / 64) >> (first % 64) & ((1ull << (1u << shift)) - 1));
  for (word = first / 64; word < words &&
       word < first / 64 + (1ull << (shift - 6)); word++)
    count += (unsigned) __builtin_popcountll (load_word (map, word));
  return count;
}

uint64_t
granule_map_count_any (const struct granule_map *const *maps, size_t n,
                       const struct granule_map *within)
{
  const struct granule_map *unit = within != NULL ? within : maps[0];
  uint64_t words = (maps[0]->granules + 63) / 64, count = 0, word, bits, last;
  unsigned shift = maps[0]->shift - unit->shift;

  for (word = 0; word < words; word++)
    for (bits = load_any (maps, n, word); bits != 0; bits &= bits - 1) {
      if (within == NULL) {
        count += (unsigned) __builtin_popcountll (bits);
        break;
      }
      count += count_group (within,
                            (word * 64 + (unsigned) __builtin_ctzll (bits))
                            << shift, shift);
    }
  count <<= unit->shift;
  /* The disk's last granule may be short. */
  if (unit->disk_size % (1ull << unit->shift) == 0)
    return count;
  last = unit->disk_size - 1;
  if (granule_map_test (unit, last) || within == NULL)
    if (load_any (maps, n, (last >> maps[0]->shift) / 64) >>
        ((last >> maps[0]->shift) % 64) & 1)
      count -= (1ull << unit->shift) - unit->disk_size % (1ull << unit->shift);
  return count;
}

void
granule_map_set_broken (struct granule_map *map, int error)
{
  uint32_t broken = htole32 (GRANULE_MAP_BROKEN);

  pthread_mutex_lock (&map->broken_lock);
  if (granule_state_load (&map->header->state) != broken) {
    map->header->reason = (int32_t) htole32 ((uint32_t) error);
    granule_state_store (&map->header->state, broken);
  }
  pthread_mutex_unlock (&map->broken_lock);
}

bool
granule_map_said_broken (const struct granule_map *map)
{
  granule_look_fence ();
  return granule_state_load (&map->header->state) !=
         htole32 (GRANULE_MAP_SOUND);
}

int
granule_map_broken (struct granule_map *map)
{
  int reason;

  granule_look_fence ();
  if (granule_state_load (&map->header->state) ==
      htole32 (GRANULE_MAP_SOUND)) {
    reason = late_error_look (&map->file.late);
    if (reason != 0 && map->file.pages != NULL)
      granule_map_set_broken (map, reason);
    return reason;
  }
  reason = (int) le32toh ((uint32_t) map->header->reason);
  return reason > 0 ? reason : EIO;
}
