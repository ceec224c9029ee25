/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks are taken ahead, in pieces that grow with what is stored and shrink with what is
 * left; where they cannot be had, those that are needed are. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fleece-space.h"

#define G 65536ull
#define MIB (1ull << 20)
#define SIZE (1024 * MIB)

static char folder[] = "test-fleece-space-XXXXXX";
static struct granule_map *present;
static struct slot_table *table;
static struct fleece_space space;
static struct scratch_figures *figures;

/* The file system of fd 0, which is none of ours: what it is, and has free. */
static unsigned kind = XFS_SUPER_MAGIC;
static uint64_t room;
static uint64_t largest;        /* that may be taken at once */
static unsigned calls;
static off_t from, length;      /* of the last one */

int __real_fstatfs (int fd, struct statfs *fs);
int __wrap_fstatfs (int fd, struct statfs *fs);
int __real_fallocate (int fd, int mode, off_t offset, off_t n);
int __wrap_fallocate (int fd, int mode, off_t offset, off_t n);

int
__wrap_fstatfs (int fd, struct statfs *fs)
{
  int r = __real_fstatfs (fd, fs);

  if (fd == 0) {
    fs->f_type = kind;
    fs->f_bsize = 4096;
    fs->f_bavail = room / 4096;
  }
  return r;
}

int
__wrap_fallocate (int fd, int mode, off_t offset, off_t n)
{
  if (fd != 0)
    return __real_fallocate (fd, mode, offset, n);
  assert (mode == FALLOC_FL_KEEP_SIZE);
  if ((uint64_t) n > largest) {
    errno = ENOSPC;
    return -1;
  }
  calls++;
  from = offset;
  length = n;
  return 0;
}

static uint64_t
take (uint64_t bytes)
{
  uint64_t place = UINT64_MAX;

  assert (fleece_space_take (&space, table, figures, G, bytes, &place) == 0);
  return place;
}

static void
start (unsigned file_system, uint64_t free_bytes, uint64_t at_once)
{
  fleece_space_destroy (&space);
  kind = file_system;
  room = free_bytes;
  largest = at_once;
  calls = 0;
  fleece_space_init (&space, 0);
}

/* Where does the next slot begin? */
static uint64_t
next (void)
{
  uint64_t slot;

  assert (slot_table_take (table, 1, &slot) == 0);
  return (slot + 1) * G;
}

static void
check_pieces_grow (void)
{
  uint64_t at;

  start (XFS_SUPER_MAGIC, UINT64_MAX / 2, UINT64_MAX);
  assert (take (G) == 0 && calls == 1);
  assert (from == 0 && length == (off_t) FLEECE_AHEAD_MIN);
  for (at = G; at < FLEECE_AHEAD_MIN; at += G)
    assert (take (G) == at && calls == 1);
  /* A short one takes a slot as well. */
  assert (take (1) == at && take (2 * G) == at + G);
  assert (calls == 2 && from == (off_t) FLEECE_AHEAD_MIN);
  while (from < (off_t) (100 * MIB))
    take (G);
  assert (length == (off_t) FLEECE_AHEAD_MAX);
  /* More than a piece at once. */
  space.is_needed = true;
  at = take (2 * FLEECE_AHEAD_MAX);
  assert (from + length >= (off_t) (at + 2 * FLEECE_AHEAD_MAX));
  assert (calls < 40);
}

static void
check_room_is_short (void)
{
  uint64_t at = next ();

  start (EXT4_SUPER_MAGIC, 128 * 2 * G, UINT64_MAX);
  assert (take (G) == at && from == (off_t) at && length == 2 * G);
  assert (take (G) == at + G && calls == 1);
  room = 128 * G;
  assert (take (G) == at + 2 * G && calls == 2 && length == G);
  /* What is needed is had, what is not, not. */
  room = UINT64_MAX / 2;
  largest = G;
  assert (take (G) == at + 3 * G && calls == 3 && length == G);
  largest = 0;
  assert (fleece_space_take (&space, table, NULL, G, G, &at) == -ENOSPC);
  /* Elsewhere the write itself tells. */
  start (XFS_SUPER_MAGIC, UINT64_MAX / 2, 0);
  take (G);
  assert (calls == 0);
  start (TMPFS_MAGIC, UINT64_MAX / 2, UINT64_MAX);
  take (G);
  assert (calls == 0);
}

static void
check_limit_is_near (void)
{
  const struct scratch_terms terms = { .limit = 64 * G, .account = -1 };

  assert (scratch_figures_create (folder, &terms) == 0);
  assert (scratch_figures_open (folder, &figures) == 0);
  assert (scratch_figures_left (NULL) == UINT64_MAX);
  assert (scratch_figures_left (figures) == 64 * G);
  assert (scratch_figures_take (figures, 40 * G) == 0);
  assert (scratch_figures_left (figures) == 24 * G);
  start (EXT4_SUPER_MAGIC, UINT64_MAX / 2, UINT64_MAX);
  take (G);
  assert (length == 3 * G);
  assert (scratch_figures_take (figures, 24 * G) == 0);
  assert (scratch_figures_left (figures) == 0);
  take (3 * G);
  assert (length == G);
  scratch_figures_close (figures);
  figures = NULL;
  assert (scratch_figures_remove (folder) == 0);
}

int
main (void)
{
  char path[64], map[64];

  assert (mkdtemp (folder) != NULL);
  snprintf (path, sizeof path, "%s/slots", folder);
  snprintf (map, sizeof map, "%s/present", folder);
  assert (granule_map_create (map, SIZE, G) == 0);
  assert (granule_map_open (map, true, &present) == 0);
  assert (slot_table_create (path, SIZE, G) == 0);
  assert (slot_table_open (path, true, present, &table) == 0);
  fleece_space_init (&space, 0);
  check_pieces_grow ();
  check_room_is_short ();
  check_limit_is_near ();
  fleece_space_destroy (&space);
  slot_table_close (table);
  granule_map_close (present);
  assert (unlink (path) == 0 && unlink (map) == 0 && rmdir (folder) == 0);
  return 0;
}
