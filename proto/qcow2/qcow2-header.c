/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cannot be mapped is refused here, once, for the daemon (before the
 * freeze) and for the view.  The dirty bit is no reason: it says that refcounts
 * may be wrong, which nobody needs who only reads; a running QEMU with lazy
 * refcounts has it set.  Neither are unknown compatible or autoclear features,
 * which a reader may ignore. */
#include <config.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qcow2-header.h"

#define MAGIC 0x514649fbu       /* "QFI\xfb" */

/* Where the fields are. */
enum {
  AT_MAGIC = 0, AT_VERSION = 4, AT_BACKING_OFFSET = 8, AT_CLUSTER_BITS = 20,
  AT_SIZE = 24, AT_CRYPT_METHOD = 32, AT_L1_SIZE = 36, AT_L1_OFFSET = 40,
  AT_SNAPSHOTS = 60, AT_SNAPSHOTS_OFFSET = 64, END_V2 = 72,
  AT_INCOMPATIBLE = 72, AT_AUTOCLEAR = 88, AT_LENGTH = 100, END_V3 = 104,
};

#define INCOMPATIBLE_DIRTY 1u
#define INCOMPATIBLE_CORRUPT 2u
#define INCOMPATIBLE_DATA_FILE 4u
#define INCOMPATIBLE_COMPRESSION 8u     /* another than zlib: as good as any */
#define INCOMPATIBLE_EXTENDED_L2 16u
#define INCOMPATIBLE_KNOWN 31u
#define AUTOCLEAR_DATA_FILE_RAW 2u

#define CLUSTER_BITS_MIN 9u
#define CLUSTER_BITS_MAX 21u
#define CLUSTER_BITS_EXTENDED 14u       /* from here on there are subclusters */
#define L1_ENTRIES_MAX ((32u << 20) / 8)
#define SECTOR 512u
/* Enough for any O_DIRECT. */
#define PROBE_BYTES 4096u

static uint32_t
field32 (const unsigned char *bytes, size_t at)
{
  uint32_t value;

  memcpy (&value, bytes + at, sizeof value);
  return be32toh (value);
}

static uint64_t
field64 (const unsigned char *bytes, size_t at)
{
  uint64_t value;

  memcpy (&value, bytes + at, sizeof value);
  return be64toh (value);
}

static int
refuse (const char **why, const char *text)
{
  *why = text;
  return -EINVAL;
}

static int
parse_features (const unsigned char *bytes, struct qcow2_header *header,
                const char **why)
{
  uint64_t incompatible = field64 (bytes, AT_INCOMPATIBLE);

  if ((incompatible & ~(uint64_t) INCOMPATIBLE_KNOWN) != 0)
    return refuse (why, "has features that are not known here");
  if ((incompatible & INCOMPATIBLE_CORRUPT) != 0)
    return refuse (why, "is marked as corrupt; repair it with qemu-img check");
  if (field32 (bytes, AT_LENGTH) < END_V3)
    return refuse (why, "has a header that is too short");
  header->has_data_file = (incompatible & INCOMPATIBLE_DATA_FILE) != 0;
  header->extended_l2 = (incompatible & INCOMPATIBLE_EXTENDED_L2) != 0;
  header->data_file_raw = header->has_data_file &&
    (field64 (bytes, AT_AUTOCLEAR) & AUTOCLEAR_DATA_FILE_RAW) != 0;
  return 0;
}

/* Does the L1 table reach over the disk?  One entry is for so many bytes. */
static bool
l1_covers (const struct qcow2_header *header)
{
  unsigned entry_bits = header->extended_l2 ? 4 : 3;
  unsigned bits = header->cluster_bits + header->cluster_bits - entry_bits;

  return header->size == 0 || (header->size - 1) >> bits < header->l1_size;
}

static int
check_tables (const struct qcow2_header *header, const char **why)
{
  uint64_t cluster = UINT64_C (1) << header->cluster_bits;

  if (header->size > INT64_MAX)
    return refuse (why, "is said to be larger than any disk");
  if (header->l1_size > L1_ENTRIES_MAX || !l1_covers (header))
    return refuse (why, "has a table of clusters (L1) of a size that cannot "
                   "be");
  if ((header->l1_offset & (cluster - 1)) != 0 ||
      header->l1_offset > INT64_MAX - L1_ENTRIES_MAX * 8)
    return refuse (why, "has its table of clusters (L1) where none can be");
  return 0;
}

static int
parse (const unsigned char *bytes, size_t length, struct qcow2_header *header,
       const char **why)
{
  int r = 0;

  if (length < END_V2 || field32 (bytes, AT_MAGIC) != MAGIC)
    return refuse (why, "is not a qcow2 image");
  header->version = field32 (bytes, AT_VERSION);
  if (header->version != 2 && header->version != 3)
    return refuse (why, "is a qcow2 image of a version that is not known "
                   "here");
  if (field32 (bytes, AT_CRYPT_METHOD) != 0)
    return refuse (why, "is encrypted");
  header->cluster_bits = field32 (bytes, AT_CLUSTER_BITS);
  if (header->cluster_bits < CLUSTER_BITS_MIN ||
      header->cluster_bits > CLUSTER_BITS_MAX)
    return refuse (why, "has clusters of a size that is not known here");
  header->size = field64 (bytes, AT_SIZE) & ~(uint64_t) (SECTOR - 1);
  header->has_backing = field64 (bytes, AT_BACKING_OFFSET) != 0;
  header->l1_size = field32 (bytes, AT_L1_SIZE);
  header->l1_offset = field64 (bytes, AT_L1_OFFSET);
  header->snapshots = field32 (bytes, AT_SNAPSHOTS);
  header->snapshots_offset = field64 (bytes, AT_SNAPSHOTS_OFFSET);
  if (header->version == 3 && length < END_V3)
    return refuse (why, "has a header that is too short");
  if (header->version == 3)
    r = parse_features (bytes, header, why);
  if (r == 0 && header->extended_l2 &&
      header->cluster_bits < CLUSTER_BITS_EXTENDED)
    r = refuse (why, "has clusters that are too small for subclusters");
  return r < 0 ? r : check_tables (header, why);
}

int
qcow2_header_parse (const unsigned char *bytes, size_t length,
                    struct qcow2_header *header, const char **why)
{
  struct qcow2_header found;
  int r;

  memset (&found, 0, sizeof found);
  r = parse (bytes, length, &found, why);
  if (r == 0)
    *header = found;
  return r;
}

int
qcow2_probe (int fd, struct qcow2_header *header, const char **why)
{
  CLEANUP_FREE void *buffer = NULL;
  ssize_t r;

  if (posix_memalign (&buffer, PROBE_BYTES, PROBE_BYTES) != 0) {
    buffer = NULL;
    *why = "cannot be looked at: there is no memory";
    return -ENOMEM;
  }
  do
    r = pread (fd, buffer, PROBE_BYTES, 0);
  while (r < 0 && errno == EINTR);
  if (r < 0) {
    int error = errno;

    *why = "cannot be read";
    return -error;
  }
  return qcow2_header_parse (buffer, (size_t) r, header, why);
}

bool
qcow2_header_same (const struct qcow2_header *one,
                   const struct qcow2_header *other)
{
  return one->version == other->version &&
         one->cluster_bits == other->cluster_bits &&
         one->size == other->size &&
         one->has_data_file == other->has_data_file &&
         one->extended_l2 == other->extended_l2 &&
         one->l1_size == other->l1_size &&
         one->l1_offset == other->l1_offset &&
         one->snapshots == other->snapshots &&
         one->snapshots_offset == other->snapshots_offset;
}
