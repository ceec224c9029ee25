/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a real sparse file, and against answers that no file system here
 * gives. */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file-extents.h"

#define MIB (1u << 20)

/* What the next lseek calls return: an offset, or -errno; 0 ends the script. */
static int64_t script[4];
static unsigned script_next;

off_t __real_lseek (int fd, off_t offset, int whence);
off_t __wrap_lseek (int fd, off_t offset, int whence);

off_t
__wrap_lseek (int fd, off_t offset, int whence)
{
  int64_t next = script_next < 4 ? script[script_next] : 0;

  if (next == 0)
    return __real_lseek (fd, offset, whence);
  script_next++;
  if (next > 0)
    return (off_t) next;
  errno = (int) -next;
  return -1;
}

/* The first extent from OFFSET on; length 0 for an error. */
static struct source_extent
first (int fd, uint64_t offset, uint64_t length, int *r)
{
  struct source_extent extent = { 0, false };
  uint64_t data_until = 0;
  size_t count = 1;

  *r = file_extents (fd, offset, length, &extent, &count, &data_until);
  assert (*r < 0 || (count == 1 && extent.length >= 1 &&
                     extent.length <= length));
  return extent;
}

static void
say (int64_t a, int64_t b)
{
  script[0] = a;
  script[1] = b;
  script_next = 0;
}

static void
check_scripted (int fd)
{
  struct source_extent e;
  int r;

  /* Behind the last data: the only error that means a hole. */
  say (-ENXIO, 0);
  e = first (fd, 0, MIB, &r);
  assert (r == 0 && e.hole && e.length == MIB);
  say (-EINVAL, 0);             /* the file system cannot tell */
  e = first (fd, 0, MIB, &r);
  assert (r == 0 && !e.hole && e.length == MIB);
  say (-EIO, 0);
  first (fd, 0, MIB, &r);
  assert (r == -EIO);
  say (4096, 0);
  e = first (fd, 0, MIB, &r);
  assert (r == 0 && e.hole && e.length == 4096);
  /* Data, and no answer about its end. */
  say (8192, -EIO);
  e = first (fd, 8192, MIB, &r);
  assert (r == 0 && !e.hole && e.length == MIB);
  /* The file changed between the questions: the hole is here by now. */
  say (8192, 8192);
  e = first (fd, 8192, MIB, &r);
  assert (r == 0 && !e.hole && e.length == 1);
  say (0, 0);
}

static void
check_file (int fd)
{
  struct source_extent extents[8];
  uint64_t data_until = 0, at = 0;
  size_t count = 8, i;
  bool want[4] = { true, false, true, false };

  assert (ftruncate (fd, 4 * MIB) == 0);
  for (i = 0; i < 4; i++)
    if (!want[i])
      assert (pwrite (fd, "x", 1, (off_t) (i * MIB)) == 1 &&
              pwrite (fd, "x", 1, (off_t) ((i + 1) * MIB - 1)) == 1);
  assert (file_extents (fd, 0, 5 * MIB, extents, &count, &data_until) == 0);
  for (i = 0; i < count; at += extents[i++].length)
    if (extents[i].hole && at < 4 * MIB)
      /* What is called a hole holds none of the bytes written. */
      assert (at % MIB != 0 || want[at / MIB]);
  assert (extents[0].hole && extents[0].length == MIB);
}

int
main (void)
{
  char path[] = "test-file-extents-XXXXXX";
  int fd = mkstemp (path);

  assert (fd >= 0);
  unlink (path);
  check_file (fd);
  check_scripted (fd);
  close (fd);
  return 0;
}
