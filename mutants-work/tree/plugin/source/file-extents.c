/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SEEK_DATA and SEEK_HOLE rather than a map of the file's blocks (FIEMAP):
 * data that waits to be written may lie in what that calls unwritten, and many
 * file systems have none. */
#include <config.h>

#include <errno.h>
#include <unistd.h>

#include "checked-math.h"
#include "file-extents.h"

/* The first extent from OFFSET on.  A hole comes from a single question to the
 * file system, so that it was whole at one moment (rule V4); between the two
 * questions for data the file may change, but data is always a right answer. */
static int
first_extent (int fd, uint64_t offset, uint64_t length,
              struct source_extent *extent, uint64_t *data_until)
{
  off_t data, hole;

  /* A file system may walk over all pages up to the next hole (tmpfs does), so
   * this is not asked again for each granule before it. */
  if (offset < *data_until) {
    extent->hole = false;
    extent->length = min_u64 (length, *data_until - offset);
    return 0;
  }
  data = lseek (fd, (off_t) offset, SEEK_DATA);
  if (data < 0 && errno != ENXIO && errno != EINVAL)
    return -errno;
  extent->hole = data < 0 ? errno == ENXIO : (uint64_t) data > offset;
  extent->length = length;
  if (data < 0)
    return 0;
  if (extent->hole) {
    extent->length = min_u64 (length, (uint64_t) data - offset);
    return 0;
  }
  hole = lseek (fd, (off_t) offset, SEEK_HOLE);
  if (hole < 0)
    return 0;
  *data_until = max_u64 ((uint64_t) hole, offset + 1);
  extent->length = min_u64 (length, *data_until - offset);
  return 0;
}

int
file_extents (int fd, uint64_t offset, uint64_t length,
              struct source_extent *extents, size_t *count,
              uint64_t *data_until)
{
  size_t n = 0;
  int r;

  while (n < *count && length > 0) {
    r = first_extent (fd, offset, length, &extents[n], data_until);
    if (r < 0)
      return r;
    offset += extents[n].length;
    length -= extents[n].length;
    n++;
  }
  *count = n;
  return 0;
}
