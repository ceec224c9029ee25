/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole file is mapped.  Storing to a hole of a mapping allocates a block
 * at that moment, and if there is none the process gets SIGBUS.  A sink that
 * dies of that on a full disk would stall the guest, so blocks are asked for
 * with fallocate (2) before the first bit of a page is set, and the page is
 * made writable with MADV_POPULATE_WRITE, which returns an error where a store
 * would raise the signal. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "checked-math.h"
#include "full-io.h"
#include "granule-atomic.h"
#include "granule-map.h"
#include "late-error.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MAP_MAGIC "PULLBKGM"
#define MAP_VERSION 1u
#define HEADER_SIZE 4096u
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
  int fd;
  struct late_error late;       /* of fd */
  struct map_header *header;    /* the mapping of the whole file */
  _Atomic uint64_t *words;
  uint64_t file_size;
  uint64_t disk_size;
  uint64_t granules;
  unsigned shift;               /* log2 of the granule */
  size_t page_size;
  pthread_mutex_t broken_lock;  /* protects reason's first write */
  pthread_mutex_t lock;         /* protects pages; held while they are allocated,
                                 * which may take long */
  unsigned char *pages;         /* 1: page of the file has its blocks; NULL: the
                                 * map is not writable */
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
  return HEADER_SIZE +
         (count_granules (disk_size, granule) + 63) / 64 * sizeof (uint64_t);
}

static int
fill_new_file (int fd, uint64_t disk_size, uint32_t granule, uint64_t length)
{
  char page[HEADER_SIZE] = { 0 };
  struct map_header *header = (struct map_header *) page;
  struct statfs fs;
  int flags, allocated, r;

  /* Copy-on-write file systems could want a new block for a block that is
   * there.  Best effort: others do not know the flag. */
  if (ioctl (fd, FS_IOC_GETFLAGS, &flags) == 0) {
    flags |= FS_NOCOW_FL;
    if (ioctl (fd, FS_IOC_SETFLAGS, &flags) < 0)
      flags = 0;
  }
  memcpy (header->magic, MAP_MAGIC, sizeof header->magic);
  header->version = htole32 (MAP_VERSION);
  header->disk_size = htole64 (disk_size);
  header->granule = htole32 (granule);
  if (fstatfs (fd, &fs) < 0 || ftruncate (fd, (off_t) length) < 0)
    return -errno;
  if ((uint32_t) fs.f_type != TMPFS_MAGIC)
    length = HEADER_SIZE;
  allocated = fallocate (fd, 0, 0, (off_t) length) < 0 ? -errno : 0;
  if (allocated < 0 && allocated != -EOPNOTSUPP)
    return allocated;
  r = full_pwrite (fd, page, sizeof page, 0);
  if (r < 0 || allocated == 0)
    return r;
  /* Delayed allocation may still find no block; now is the time to know. */
  return fdatasync (fd) < 0 ? -errno : 0;
}

int
granule_map_create (const char *path, uint64_t disk_size, uint32_t granule)
{
  uint64_t length = map_file_size (disk_size, granule);
  CLEANUP_FD int fd = -1;
  int r;

  if (length == 0)
    return -EINVAL;
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return -errno;
  r = fill_new_file (fd, disk_size, granule, length);
  if (r < 0)
    unlink (path);
  return r;
}

/* Checks what the header says against what the file is. */
static int
check_header (const struct map_header *header, uint64_t length)
{
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

static int
map_file (struct granule_map *map, bool writable, const struct stat *st)
{
  int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  size_t length = (size_t) st->st_size;
  void *p = mmap (NULL, length, protection, MAP_SHARED, map->fd, 0);

  if (p == MAP_FAILED)
    return -errno;
  map->header = p;
  map->file_size = length;
  map->words = (_Atomic uint64_t *) ((char *) p + HEADER_SIZE);
  map->page_size = (size_t) sysconf (_SC_PAGESIZE);
  if (writable) {
    map->pages = calloc (length / map->page_size + 1, 1);
    if (map->pages == NULL)
      return -ENOMEM;
  }
  return 0;
}

static int
check_and_map (struct granule_map *map, bool writable)
{
  struct map_header header;
  struct stat st;
  int r;

  if (fstat (map->fd, &st) < 0)
    return -errno;
  if (!S_ISREG (st.st_mode) || st.st_size < (off_t) HEADER_SIZE)
    return -EINVAL;
  r = full_pread (map->fd, &header, sizeof header, 0);
  if (r == 0)
    r = check_header (&header, (uint64_t) st.st_size);
  if (r < 0)
    return r;
  map->disk_size = le64toh (header.disk_size);
  map->shift = (unsigned) __builtin_ctz (le32toh (header.granule));
  map->granules = count_granules (map->disk_size, 1u << map->shift);
  return map_file (map, writable, &st);
}

int
granule_map_open (const char *path, bool writable, struct granule_map **result)
{
  struct granule_map *map = calloc (1, sizeof *map);
  int r;

  if (map == NULL)
    return -ENOMEM;
  map->fd = open (path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                        O_NOFOLLOW | O_NONBLOCK);
  r = map->fd < 0 ? -errno : 0;
  late_error_init (&map->late, map->fd);
  pthread_mutex_init (&map->lock, NULL);
  pthread_mutex_init (&map->broken_lock, NULL);
  if (r == 0)
    r = check_and_map (map, writable);
  if (r < 0) {
    granule_map_close (map);
    return r;
  }
  *result = map;
  return 0;
}

void
granule_map_close (struct granule_map *map)
{
  if (map == NULL)
    return;
  if (map->header != NULL)
    munmap (map->header, map->file_size);
  if (map->fd >= 0)
    close (map->fd);
  late_error_destroy (&map->late);
  pthread_mutex_destroy (&map->lock);
  pthread_mutex_destroy (&map->broken_lock);
  free (map->pages);
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

/* Gives page PAGE of the file its blocks. */
static int
allocate_page (struct granule_map *map, uint64_t page)
{
  uint64_t offset = page * map->page_size;
  uint64_t length = min_u64 (map->page_size, map->file_size - offset);
  int allocated;

  do
    allocated = fallocate (map->fd, FALLOC_FL_KEEP_SIZE, (off_t) offset,
                           (off_t) length) < 0 ? -errno : 0;
  while (allocated == -EINTR);
  if (allocated < 0 && allocated != -EOPNOTSUPP)
    return allocated;
  if (madvise ((char *) map->header + offset, map->page_size,
               MADV_POPULATE_WRITE) == 0)
    return 0;
  if (errno == EFAULT)
    return -ENOSPC;             /* a store would have raised SIGBUS */
  /* Kernels before 5.14 do not know the advice; the blocks are there. */
  return errno == EINVAL ? allocated : -errno;
}

static int
allocate_words (struct granule_map *map, uint64_t first, uint64_t last)
{
  uint64_t page = (HEADER_SIZE + first * sizeof (uint64_t)) / map->page_size;
  uint64_t end = (HEADER_SIZE + last * sizeof (uint64_t)) / map->page_size;
  int r = 0;

  pthread_mutex_lock (&map->lock);
  for (; page <= end && r == 0; page++) {
    if (map->pages[page])
      continue;
    r = allocate_page (map, page);
    map->pages[page] = r == 0;
  }
  pthread_mutex_unlock (&map->lock);
  return r;
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
  if (map->pages == NULL)
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
    reason = late_error_look (&map->late);
    if (reason != 0 && map->pages != NULL)
      granule_map_set_broken (map, reason);
    return reason;
  }
  reason = (int) le32toh ((uint32_t) map->header->reason);
  return reason > 0 ? reason : EIO;
}
