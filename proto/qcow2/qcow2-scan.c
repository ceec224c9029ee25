/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Source: QEMU's docs/interop/qcow2, "Cluster mapping". */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "qcow2-scan.h"

/* What any storage wants of memory, for O_DIRECT. */
#define ALIGNMENT 4096
/* A whole number of all that, and as much as a cluster can be. */
#define BUFFER_BYTES (2u << 20)

/* Of the entries of both tables; COMPRESSED is of L2 entries. */
#define OFFSET UINT64_C (0x00fffffffffffe00)
#define COPIED (UINT64_C (1) << 63)
#define COMPRESSED (UINT64_C (1) << 62)

/* -EIO: the image lacks some of it. */
static int
read_table (int fd, uint64_t *buffer, size_t length, uint64_t offset)
{
  size_t rounded = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  ssize_t r;

  do
    r = pread (fd, buffer, rounded, (off_t) offset);
  while (r < 0 && errno == EINTR);
  if (r < 0)
    return -errno;
  return (size_t) r < length ? -EIO : 0;
}

/* Looks at one entry: true ends the walk. */
typedef bool (*entry_fn) (uint64_t entry);

static bool
is_compressed (uint64_t entry)
{
  return (entry & COMPRESSED) != 0;
}

static bool
is_not_alone (uint64_t entry)
{
  return (entry & (COMPRESSED | COPIED)) == 0 && (entry & OFFSET) != 0;
}

struct walk {
  int fd;
  const struct qcow2_header *header;
  entry_fn of_l2;
  uint64_t *l1, *l2;
};

static int
walk_l2 (const struct walk *walk, uint64_t offset)
{
  size_t bytes = (size_t) 1 << walk->header->cluster_bits;
  size_t step = walk->header->extended_l2 ? 2 : 1;
  int r = read_table (walk->fd, walk->l2, bytes, offset);

  for (size_t i = 0; r == 0 && i < bytes / sizeof *walk->l2; i += step)
    r = walk->of_l2 (be64toh (walk->l2[i]));
  return r;
}

static int
walk_l1 (const struct walk *walk)
{
  uint64_t done = 0;
  int r = 0;

  while (r == 0 && done < walk->header->l1_size) {
    uint64_t count = walk->header->l1_size - done;

    if (count > BUFFER_BYTES / sizeof *walk->l1)
      count = BUFFER_BYTES / sizeof *walk->l1;
    r = read_table (walk->fd, walk->l1, count * sizeof *walk->l1,
                    walk->header->l1_offset + done * sizeof *walk->l1);
    for (uint64_t i = 0; r == 0 && i < count; i++)
      if ((be64toh (walk->l1[i]) & OFFSET) != 0)
        r = walk_l2 (walk, be64toh (walk->l1[i]) & OFFSET);
    done += count;
  }
  return r;
}

static int
walk_image (int fd, const struct qcow2_header *header, entry_fn of_l2)
{
  CLEANUP_FREE void *l1 = NULL, *l2 = NULL;

  l1 = aligned_alloc (ALIGNMENT, BUFFER_BYTES);
  l2 = aligned_alloc (ALIGNMENT, BUFFER_BYTES);
  if (l1 == NULL || l2 == NULL)
    return -ENOMEM;
  return walk_l1 (&(struct walk) { .fd = fd, .header = header, .of_l2 = of_l2,
                                   .l1 = l1, .l2 = l2 });
}

int
qcow2_has_compressed (int fd, const struct qcow2_header *header)
{
  return walk_image (fd, header, is_compressed);
}

int
qcow2_may_free (int fd, const struct qcow2_header *header, unsigned unit_bits)
{
  return header->cluster_bits <= unit_bits || header->has_data_file ? 0
         : walk_image (fd, header, is_not_alone);
}
