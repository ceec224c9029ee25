/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mark: no-valgrind (what a forked child still holds is no leak) */
#include <config.h>

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "full-io.h"
#include "granule-map.h"

#define TIB (1ull << 40)

static char path[4096] = "test-granule-map.map";

static struct granule_map *
fresh (uint64_t size, uint32_t granule, bool writable)
{
  struct granule_map *map = NULL;

  unlink (path);
  assert (granule_map_create (path, size, granule) == 0);
  assert (granule_map_create (path, size, granule) == -EEXIST);
  assert (granule_map_open (path, writable, &map) == 0);
  assert (granule_map_disk_size (map) == size);
  assert (granule_map_granule (map) == granule);
  assert (granule_map_broken (map) == 0);
  assert (granule_map_count_bytes (map) == 0);
  return map;
}

/* Checks runs and tests against a plain array, from every granule. */
static void
check_against (const struct granule_map *map, const bool *want, unsigned n,
               uint64_t size, uint32_t granule)
{
  unsigned i, j;

  for (i = 0; i < n; i++) {
    uint64_t at = (uint64_t) i * granule + i % granule, end;
    bool set;

    if (at >= size)
      at = (uint64_t) i * granule;
    for (j = i; j < n && want[j] == want[i]; j++)
      continue;
    end = (uint64_t) j * granule < size ? (uint64_t) j * granule : size;
    assert (granule_map_test (map, at) == want[i]);
    assert (granule_map_run (map, at, UINT64_MAX, &set) == end - at);
    assert (set == want[i]);
    assert (granule_map_run (map, at, 1, &set) == 1 && set == want[i]);
    assert (granule_map_run (map, at, end - at, &set) == end - at);
  }
}

static void
check_bits (uint64_t size, uint32_t granule)
{
  unsigned n = (unsigned) ((size + granule - 1) / granule), i, round;
  struct granule_map *map = fresh (size, granule, true);
  bool want[1000] = { false };
  uint32_t dice = 12345;
  uint64_t bytes = 0;

  assert (n <= 1000);
  check_against (map, want, n, size, granule);
  for (round = 0; round < 12; round++) {
    unsigned first = (dice = dice * 1664525 + 1013904223) % n;
    unsigned count = 1 + (dice >> 8) % (n - first < 90 ? n - first : 90);
    uint64_t offset = (uint64_t) first * granule;
    uint64_t length = (uint64_t) count * granule;

    if (length > size - offset)
      length = size - offset;
    assert (granule_map_set (map, offset, length) == 0);
    for (i = first; i < first + count; i++)
      want[i] = true;
    check_against (map, want, n, size, granule);
  }
  for (i = 0; i < n; i++)
    if (want[i])
      bytes += i + 1 == n ? size - (uint64_t) i * granule : granule;
  assert (granule_map_count_bytes (map) == bytes);
  assert (granule_map_set (map, 0, size) == 0);
  assert (granule_map_count_bytes (map) == size);
  assert (granule_map_set (map, 0, size + 1) == -EINVAL);
  assert (granule_map_set (map, size, 1) == -EINVAL);
  assert (granule_map_set (map, UINT64_MAX, 2) == -EINVAL);
  assert (granule_map_set (map, size, 0) == 0);
  granule_map_close (map);
}

/* Two maps of GRANULE with random bits, and one of SMALL within which is counted,
 * against plain arrays of bytes of 512. */
static void
check_count_any (uint64_t size, uint32_t granule, uint32_t small)
{
  const uint32_t granules[] = { granule, granule, small };
  struct granule_map *maps[3];
  bool want[3][8192] = { { false } };
  uint64_t any = 0, both = 0, at;
  uint32_t dice = 4711;
  unsigned i, round;

  assert (size / 512 <= 8192);
  for (i = 0; i < 3; i++) {
    maps[i] = fresh (size, granules[i], true);
    for (round = 0; round < 40; round++) {
      uint64_t offset = (dice = dice * 1664525 + 1013904223) % size;

      offset -= offset % granules[i];
      assert (granule_map_set (maps[i], offset, 1) == 0);
      for (at = offset; at < offset + granules[i] && at < size; at += 512)
        want[i][at / 512] = true;
    }
  }
  for (at = 0; at < size; at += 512) {
    uint64_t n = size - at < 512 ? size - at : 512;

    if (want[0][at / 512] || want[1][at / 512]) {
      any += n;
      both += want[2][at / 512] ? n : 0;
    }
  }
  assert (granule_map_count_any ((const struct granule_map *[]) {
            maps[0], maps[1] }, 2, NULL) == any);
  assert (granule_map_count_any ((const struct granule_map *[]) {
            maps[0], maps[1] }, 2, maps[2]) == both && both > 0);
  assert (granule_map_count_any ((const struct granule_map *[]) { maps[0] }, 1,
                                 NULL) == granule_map_count_bytes (maps[0]));
  for (i = 0; i < 3; i++)
    granule_map_close (maps[i]);
}

/* Writes LENGTH bytes at OFFSET of a good map, and tries to open it. */
static int
open_with (uint64_t offset, const void *bytes, size_t length, off_t truncate_to)
{
  struct granule_map *map = fresh (1 << 20, 65536, true);
  int fd = open (path, O_RDWR), r;

  granule_map_close (map);
  map = NULL;
  assert (fd >= 0 && full_pwrite (fd, bytes, length, offset) == 0);
  if (truncate_to >= 0)
    assert (ftruncate (fd, truncate_to) == 0);
  close (fd);
  r = granule_map_open (path, false, &map);
  granule_map_close (map);
  return r;
}

static void
check_bad_files (void)
{
  uint32_t two = htole32 (2), zero = 0, odd = htole32 (65537);
  uint32_t small = htole32 (256), bit = htole32 (0x80000000);
  uint64_t big = htole64 (1ull << 40), huge = htole64 (UINT64_MAX);
  struct granule_map *map = NULL;

  assert (open_with (0, "", 0, -1) == 0);
  assert (open_with (0, "PULLBKGX", 8, -1) == -EINVAL);
  assert (open_with (8, &two, 4, -1) == -EPROTONOSUPPORT);
  assert (open_with (8, &zero, 4, -1) == -EPROTONOSUPPORT);
  assert (open_with (12, &bit, 4, -1) == -EPROTONOSUPPORT);
  assert (open_with (16, &big, 8, -1) == -EINVAL);
  assert (open_with (16, &huge, 8, -1) == -EINVAL);
  assert (open_with (24, &odd, 4, -1) == -EINVAL);
  assert (open_with (24, &small, 4, -1) == -EINVAL);
  assert (open_with (24, &zero, 4, -1) == -EINVAL);
  assert (open_with (0, "", 0, 0) == -EINVAL);
  assert (open_with (0, "", 0, 35) == -EINVAL);
  assert (open_with (0, "", 0, 4096) == -EINVAL);
  assert (open_with (0, "", 0, 4103) == -EINVAL);
  assert (open_with (0, "", 0, 4104) == 0);
  assert (open_with (0, "", 0, 8192) == -EINVAL);
  unlink (path);
  assert (granule_map_open (path, false, &map) == -ENOENT);
  assert (mkdir (path, 0700) == 0);
  assert (granule_map_open (path, false, &map) == -EINVAL);
  assert (rmdir (path) == 0);
  assert (mkfifo (path, 0600) == 0);
  assert (granule_map_open (path, false, &map) == -EINVAL);
  unlink (path);
  assert (symlink ("/dev/null", path) == 0);
  assert (granule_map_open (path, false, &map) == -ELOOP);
  unlink (path);
  assert (granule_map_create (path, 1, 1000) == -EINVAL);
  assert (granule_map_create (path, UINT64_MAX, 65536) == -EINVAL);
  assert (access (path, F_OK) < 0);
}

/* A sparse map of a huge disk takes no blocks but those of its bits. */
static void
check_huge (void)
{
  struct granule_map *map = fresh (16 * TIB, GRANULE_DEFAULT, true);
  struct stat st;
  bool set;

  assert (granule_map_set (map, 9 * TIB + 12345, 1) == 0);
  assert (stat (path, &st) == 0);
  assert (st.st_size == 4096 + (off_t) (16 * TIB / 65536 / 8));
  assert (st.st_blocks * 512 < 1 << 20);
  assert (granule_map_run (map, 0, UINT64_MAX, &set) == 9 * TIB && !set);
  assert (granule_map_run (map, 9 * TIB, UINT64_MAX, &set) == 65536 && set);
  assert (granule_map_run (map, 9 * TIB + 65536, UINT64_MAX, &set) ==
          7 * TIB - 65536 && !set);
  assert (granule_map_count_bytes (map) == 65536);
  granule_map_close (map);
}

/* The child sets bits and breaks the map, the parent sees it in this order. */
static void
check_two_processes (void)
{
  struct granule_map *reader = fresh (100 << 20, 65536, false), *writer;
  uint64_t at, seen = 0;
  int status;
  pid_t pid;

  assert (granule_map_set (reader, 0, 1) == -EBADF);
  pid = fork ();
  assert (pid >= 0);
  if (pid == 0) {
    if (granule_map_open (path, true, &writer) < 0)
      _exit (1);
    for (at = 0; at < 100 << 20; at += 65536)
      if (granule_map_set (writer, at, 65536) < 0)
        _exit (2);
    granule_map_set_broken (writer, ENOSPC);
    granule_map_set_broken (writer, EIO);
    granule_map_close (writer);
    _exit (0);
  }
  while (granule_map_broken (reader) == 0) {
    uint64_t now;
    bool set;

    now = granule_map_run (reader, 0, UINT64_MAX, &set);
    now = set ? now : 0;
    assert (now >= seen);
    seen = now;
  }
  assert (granule_map_broken (reader) == ENOSPC);
  assert (granule_map_count_bytes (reader) == 100 << 20);
  assert (waitpid (pid, &status, 0) == pid && status == 0);
  granule_map_close (reader);
}

static void
fill_up (const char *filler)
{
  static const char block[4096];
  int fd = open (filler, O_WRONLY | O_CREAT | O_APPEND, 0600);

  assert (fd >= 0);
  while (write (fd, block, sizeof block) > 0)
    continue;
  assert (errno == ENOSPC);
  close (fd);
}

/* A map with holes on a tmpfs, which granule_map_create would not make. */
static void
make_holey (const char *file)
{
  struct granule_map *map = fresh (TIB / 8, 65536, true);
  int from = open (path, O_RDONLY), to;
  char header[4096];

  granule_map_close (map);
  to = open (file, O_RDWR | O_CREAT | O_TRUNC, 0600);
  assert (from >= 0 && to >= 0);
  assert (full_pread (from, header, sizeof header, 0) == 0);
  assert (full_pwrite (to, header, sizeof header, 0) == 0);
  assert (ftruncate (to, 4096 + TIB / 8 / 65536 / 8) == 0);
  close (from);
  close (to);
}

/* A full file system is an error, not a SIGBUS.  Wants root. */
static void
check_full (void)
{
  char folder[] = "test-granule-map-XXXXXX", file[64], filler[64];
  struct granule_map *map;
  uint64_t at;
  bool set;

  assert (mkdtemp (folder) != NULL);
  if (mount ("none", folder, "tmpfs", 0, "size=1m") < 0) {
    printf ("cannot mount a tmpfs: full file system not checked\n");
    rmdir (folder);
    return;
  }
  snprintf (file, sizeof file, "%s/map", folder);
  snprintf (filler, sizeof filler, "%s/filler", folder);
  /* 16 TiB need 32 MiB there, which must fail now and not later. */
  assert (granule_map_create (file, 16 * TIB, 65536) == -ENOSPC);
  assert (access (file, F_OK) < 0);
  assert (granule_map_create (file, TIB / 8, 65536) == 0);
  fill_up (filler);
  assert (granule_map_open (file, true, &map) == 0);
  assert (granule_map_run (map, 0, UINT64_MAX, &set) == TIB / 8 && !set);
  for (at = 0; at < TIB / 8; at += TIB / 64)
    assert (granule_map_set (map, at, 65536) == 0);
  granule_map_set_broken (map, ENOSPC);
  granule_map_close (map);

  assert (unlink (file) == 0 && truncate (filler, 65536) == 0);
  make_holey (file);
  fill_up (filler);
  assert (granule_map_open (file, true, &map) == 0);
  assert (granule_map_set (map, TIB / 16, 65536) == -ENOSPC);
  granule_map_set_broken (map, ENOSPC);
  assert (granule_map_broken (map) == ENOSPC);
  granule_map_close (map);
  assert (umount (folder) == 0 && rmdir (folder) == 0);
}

int
main (void)
{
  alarm (300);                   /* a child that fails must not hang us */
  snprintf (path, sizeof path, "test-granule-map.%d", (int) getpid ());
  check_bits (1, 65536);
  check_bits (65536, 65536);
  check_bits (64 * 65536, 65536);
  check_bits (1000003, 512 * 8);
  check_bits (130 * 512 + 1, 512);
  check_bits (1000 * 512 - 3, 512);
  check_count_any (4 << 20, 4096, 4096);
  check_count_any ((4 << 20) - 100, 4096, 512);
  check_count_any ((4 << 20) - 5000, 65536, 512);
  check_count_any ((4 << 20) - 5000, 1 << 19, 4096);
  check_bad_files ();
  check_huge ();
  check_two_processes ();
  check_full ();
  unlink (path);
  return 0;
}
