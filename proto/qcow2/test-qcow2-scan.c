/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images of one L1 table and one L2 table, of which one entry is odd. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qcow2-scan.h"

#define COPIED (UINT64_C (1) << 63)
#define COMPRESSED (UINT64_C (1) << 62)

static const struct {
  const char *what;
  unsigned bits;
  unsigned snapshots;
  uint64_t l1, l2;              /* flags of the entries */
  int compressed, may_free;
} cases[] = {
  { "small, sound", 12, 0, COPIED, COPIED, 0, 0 },
  { "large, sound", 17, 0, COPIED, COPIED, 0, 0 },
  { "compressed", 12, 0, COPIED, COMPRESSED, 1, 0 },
  { "large, compressed", 17, 0, COPIED, COMPRESSED, 1, 0 },
  { "small cluster not alone", 12, 0, COPIED, 0, 0, 0 },
  { "large cluster not alone", 17, 0, COPIED, 0, 0, 1 },
  { "table not alone", 12, 0, 0, COPIED, 0, 0 },
  { "table shared with a snapshot", 17, 1, 0, COPIED, 0, 0 },
  { "large cluster shared with a snapshot", 17, 1, 0, 0, 0, 1 },
};

static void
put (int fd, uint64_t offset, uint64_t entry)
{
  uint64_t word = htobe64 (entry);

  if (pwrite (fd, &word, sizeof word, (off_t) offset) != sizeof word)
    abort ();
}

static int
check (int number, const char *what, int have, int want)
{
  if (have == want)
    return 0;
  fprintf (stderr, "%s (%d): %d, want %d\n", what, number, have, want);
  return 1;
}

int
main (void)
{
  int failed = 0;

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char path[] = "/tmp/test-qcow2-scan.XXXXXX";
    uint64_t cluster = UINT64_C (1) << cases[i].bits;
    struct qcow2_header header = {
      .version = 3, .cluster_bits = cases[i].bits, .l1_size = 3,
      .l1_offset = cluster, .snapshots = cases[i].snapshots
    };
    int fd = mkstemp (path);

    if (fd < 0 || unlink (path) < 0 || ftruncate (fd, (off_t) cluster * 4) < 0)
      abort ();
    put (fd, cluster + 8, cases[i].l1 | (2 * cluster));
    put (fd, 2 * cluster + cluster - 8, cases[i].l2 | (3 * cluster));
    failed |= check (1, cases[i].what, qcow2_has_compressed (fd, &header),
                     cases[i].compressed);
    failed |= check (2, cases[i].what, qcow2_may_free (fd, &header, 16),
                     cases[i].may_free);
    header.l1_offset = 4 * cluster;
    failed |= check (3, cases[i].what, qcow2_has_compressed (fd, &header),
                     -EIO);
    close (fd);
  }
  return failed;
}
