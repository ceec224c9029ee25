/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers as the specification describes them, with one thing changed each. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qcow2-header.h"

static unsigned char bytes[QCOW2_HEADER_BYTES];

static void
put32 (size_t at, uint32_t value)
{
  value = htobe32 (value);
  memcpy (bytes + at, &value, sizeof value);
}

static void
put64 (size_t at, uint64_t value)
{
  value = htobe64 (value);
  memcpy (bytes + at, &value, sizeof value);
}

/* 1 GiB and 700 bytes in clusters of 64 KiB. */
static void
fill (unsigned version)
{
  memset (bytes, 0, sizeof bytes);
  put32 (0, 0x514649fb);
  put32 (4, version);
  put32 (20, 16);
  put64 (24, (1 << 30) + 700);
  put32 (36, 3);
  put64 (40, 0x30000);
  put32 (60, 2);
  put64 (64, 0x70000);
  if (version == 3)
    put32 (100, 104);
}

static struct qcow2_header header;

/* What is said against it; NULL: nothing. */
static const char *
judge (size_t length)
{
  const char *why = NULL;
  struct qcow2_header untouched;
  int r;

  memset (&header, 0x5a, sizeof header);
  untouched = header;
  r = qcow2_header_parse (bytes, length, &header, &why);
  assert ((r == 0 && why == NULL) || (r == -EINVAL && why != NULL));
  if (r < 0)
    assert (memcmp (&header, &untouched, sizeof header) == 0);
  return why;
}

static void
refused (const char *word)
{
  const char *why = judge (sizeof bytes);

  if (why == NULL || strstr (why, word) == NULL) {
    printf ("\"%s\" should be about \"%s\"\n", why != NULL ? why : "", word);
    abort ();
  }
}

static void
check_good (void)
{
  fill (2);
  assert (judge (sizeof bytes) == NULL && judge (72) == NULL);
  assert (header.version == 2 && header.cluster_bits == 16);
  assert (header.size == (1 << 30) + 512 && header.l1_size == 3);
  assert (header.l1_offset == 0x30000 && header.snapshots == 2);
  assert (header.snapshots_offset == 0x70000);
  assert (!header.has_backing && !header.has_data_file);
  /* Version 2 ends before these. */
  put64 (72, UINT64_MAX);
  assert (judge (sizeof bytes) == NULL && !header.extended_l2);

  fill (3);
  put64 (8, 200);
  put64 (72, 1 | 8);            /* dirty, and another compression */
  put64 (80, UINT64_MAX);       /* compatible */
  put64 (88, UINT64_MAX);       /* autoclear; raw means nothing alone */
  assert (judge (sizeof bytes) == NULL && judge (104) == NULL);
  assert (header.has_backing && !header.data_file_raw);
  put64 (72, 4 | 16);
  put32 (36, 5);                /* with subclusters one is for half as much */
  assert (judge (sizeof bytes) == NULL);
  assert (header.has_data_file && header.data_file_raw && header.extended_l2);
}

static void
check_refused (void)
{
  fill (3);
  assert (judge (103) != NULL && judge (71) != NULL && judge (0) != NULL);
  put32 (0, 0x514649fa);
  refused ("not a qcow2");
  fill (3), put32 (4, 1), refused ("version");
  fill (3), put32 (4, 4), refused ("version");
  fill (3), put32 (20, 8), refused ("clusters");
  fill (3), put32 (20, 22), refused ("clusters");
  fill (3), put32 (20, UINT32_MAX), refused ("clusters");
  fill (3), put64 (24, UINT64_C (1) << 63), refused ("larger");
  fill (2), put32 (32, 1), refused ("encrypted");
  fill (3), put32 (32, 2), refused ("encrypted");
  fill (3), put32 (36, 2), refused ("L1");
  fill (3), put32 (36, (4 << 20) + 1), refused ("L1");
  fill (3), put64 (40, 0x30200), refused ("L1");
  fill (3), put64 (40, UINT64_C (1) << 63), refused ("L1");
  fill (3), put64 (40, INT64_MAX & ~0xffff), refused ("L1");
  fill (3), put64 (72, 2), refused ("corrupt");
  fill (3), put64 (72, 32), refused ("not known");
  fill (3), put64 (72, UINT64_C (1) << 63), refused ("not known");
  fill (3), put32 (100, 96), refused ("short");
  fill (3), put32 (20, 13), put32 (36, 1 << 9), put64 (72, 16);
  refused ("subclusters");
}

static void
check_l1 (void)
{
  fill (3);
  put64 (24, UINT64_C (1) << 30);
  put32 (36, 2);
  assert (judge (sizeof bytes) == NULL);
  put64 (72, 16);
  refused ("L1");
  put32 (36, 4);
  assert (judge (sizeof bytes) == NULL);
  put64 (24, 0);
  put32 (36, 0);
  assert (judge (sizeof bytes) == NULL && header.size == 0);
}

static void
check_same (void)
{
  struct qcow2_header before;

  fill (3);
  assert (judge (sizeof bytes) == NULL);
  before = header;
  put64 (72, 1);
  assert (judge (sizeof bytes) == NULL);
  assert (qcow2_header_same (&before, &header));
  put32 (60, 1);
  assert (judge (sizeof bytes) == NULL);
  assert (!qcow2_header_same (&before, &header));
  put32 (60, 2);
  put64 (64, 0x80000);
  assert (judge (sizeof bytes) == NULL);
  assert (!qcow2_header_same (&before, &header));
}

static void
check_probe (void)
{
  char path[] = "test-qcow2-header-XXXXXX";
  int fd = mkstemp (path);
  const char *why = NULL;

  assert (fd >= 0);
  unlink (path);
  assert (qcow2_probe (fd, &header, &why) == -EINVAL && why != NULL);
  fill (3);
  assert (write (fd, bytes, sizeof bytes) == (ssize_t) sizeof bytes);
  assert (qcow2_probe (fd, &header, &why) == 0 && header.version == 3);
  assert (lseek (fd, 0, SEEK_CUR) == (off_t) sizeof bytes);
  close (fd);
  assert (qcow2_probe (fd, &header, &why) == -EBADF);
}

int
main (void)
{
  check_good ();
  check_refused ();
  check_l1 ();
  check_same ();
  check_probe ();
  return 0;
}
