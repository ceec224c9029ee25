/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chains of hostile images: right ones with some of their bytes changed.  They
 * are refused, or read without harm: no crash (the sanitizers watch), no end
 * that does not come, no byte beyond what was asked for.  FUZZ_SECONDS goes on
 * for so long, SEED repeats. */
/* mark: no-valgrind (it does not know what io_uring writes) */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io-ring.h"
#include "source.h"

#define DISK (UINT64_C (1) << 20)
#define FILE_BYTES (128u << 10)
#define READ_MAX (256u << 10)
#define GUARD 64
#define COPIED (UINT64_C (1) << 63)

static uint64_t state;

static uint64_t
dice (uint64_t sides)
{
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % sides;
}

static unsigned char image[FILE_BYTES];

static void
put (uint64_t at, uint64_t value, unsigned bytes)
{
  value = htobe64 (value << (64 - 8 * bytes));
  if (at <= FILE_BYTES - bytes)
    memcpy (image + at, &value, bytes);
}

/* Of clusters of 512 bytes to 16 KiB, those with subclusters if EXTENDED. */
static void
make_header (unsigned cluster_bits, uint32_t l1_entries, bool extended,
             bool backing, bool data)
{
  uint64_t cluster = UINT64_C (1) << cluster_bits;

  memset (image, 0, sizeof image);
  put (0, 0x514649fb, 4);
  put (4, 3, 4);
  put (8, backing ? 400 : 0, 8);
  put (20, cluster_bits, 4);
  put (24, DISK, 8);
  put (36, l1_entries, 4);
  put (40, cluster, 8);
  put (72, (extended ? 16 : 0) | (data ? 4 : 0), 8);
  put (100, 104, 4);
}

static void
make_image (bool backing, bool data)
{
  bool extended = dice (2) != 0;
  unsigned cluster_bits = extended ? 14 : 9 + (unsigned) dice (6), i;
  uint64_t cluster = UINT64_C (1) << cluster_bits;
  uint32_t entries = (uint32_t) (cluster / (extended ? 16 : 8));
  uint32_t tables = (uint32_t) (DISK / cluster / entries) + 1, l1 = tables;

  make_header (cluster_bits, l1, extended, backing, data);
  for (i = 0; i < tables; i++)
    put (cluster + i * 8, (3 + dice (4)) * cluster | COPIED, 8);
  for (i = 0; i < 400; i++) {
    uint64_t at = (3 + dice (4)) * cluster + dice (entries) * 8;
    uint64_t what[] = { 0, 1, dice (8) * cluster | COPIED, dice (1000),
                        UINT64_C (1) << 62 | dice (1000) };

    put (at, what[dice (5)], 8);
  }
}

static void
change_bytes (void)
{
  uint64_t changes = dice (8), area = dice (2) ? 112 : FILE_BYTES / 2;

  while (changes-- > 0) {
    uint64_t what[] = { dice (256), 0xff, 0, 1u << dice (8), 0x7f };

    image[dice (area)] = (unsigned char) what[dice (5)];
  }
}

static void
write_file (const char *path)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  size_t length = dice (4) ? FILE_BYTES : (size_t) dice (FILE_BYTES);

  assert (fd >= 0);
  assert (write (fd, image, length) == (ssize_t) length);
  close (fd);
}

/* --- */

static char *buffer;

static void
read_some (struct source *source)
{
  struct io_ring_batch batch = { .count = 0 };
  uint64_t offset = dice (DISK), length, i;
  int r;

  length = 1 + dice (READ_MAX);
  if (length > DISK - offset)
    length = DISK - offset;
  memset (buffer + length, 0x5a, GUARD);
  r = source_read (source, &batch, buffer, length, offset);
  if (r == 0)
    r = io_ring_batch_read (&batch);
  else
    (void) !io_ring_batch_read (&batch);
  assert (r == 0 || r == -EIO);
  for (i = 0; i < GUARD; i++)
    assert (buffer[length + i] == 0x5a);
}

static void
look_for_extents (struct source *source)
{
  struct source_extent extents[32];
  uint64_t offset = dice (DISK), length = DISK - offset, sum = 0;
  uint64_t data_until = 0;
  size_t count = 1 + dice (32), most = count, i;
  int r = source_extents (source, offset, length, extents, &count,
                          &data_until);

  assert (r == 0 || r == -EIO);
  if (r < 0)
    return;
  assert (count >= 1 && count <= most);
  for (i = 0; i < count; i++) {
    assert (extents[i].length > 0 && extents[i].length <= length - sum);
    sum += extents[i].length;
  }
}

/* Returns whether it was opened. */
static bool
try_chain (const char *top, const char *below)
{
  char text[256];
  struct source_config config = { .kind = SOURCE_CHAIN_PATH, .value = text };
  struct failure why = { .error = 0 };
  struct source *source = NULL;
  bool data = dice (4) == 0;
  unsigned i;

  make_image (!data, data);
  change_bytes ();
  write_file (top);
  make_image (false, false);
  change_bytes ();
  write_file (below);
  config.direct_io = false;
  snprintf (text, sizeof text, "qcow2:%s,%s:%s", top,
            data ? "data" : dice (2) ? "raw" : "qcow2", below);
  if (source_open (&config, "vda", DISK, &source, &why) < 0) {
    assert (why.text[0] != '\0');
    return false;
  }
  for (i = 0; i < 6; i++) {
    read_some (source);
    look_for_extents (source);
  }
  (void) source_confirm (source, source_way (source));
  source_close (source);
  return true;
}

int
main (void)
{
  char top[] = "test-source-qcow2-XXXXXX", below[] = "test-source-raw-XXXXXX";
  const char *seconds = getenv ("FUZZ_SECONDS"), *seed = getenv ("SEED");
  time_t end = time (NULL) + (seconds != NULL ? atoi (seconds) : 1);
  unsigned tried = 0, opened = 0;

  state = seed != NULL ? strtoull (seed, NULL, 10) | 1
          : (uint64_t) time (NULL) << 20 | (uint64_t) getpid () | 1;
  printf ("SEED=%llu\n", (unsigned long long) state);
  fflush (stdout);
  buffer = malloc (READ_MAX + GUARD);
  assert (buffer != NULL);
  close (mkstemp (top));
  close (mkstemp (below));
  do {
    alarm (300);                 /* one that hangs ends it */
    opened += try_chain (top, below);
    tried++;
  } while (tried < 200 || time (NULL) < end);
  printf ("%u images, %u of them opened\n", tried, opened);
  assert (opened > tried / 10);
  unlink (top);
  unlink (below);
  io_ring_free_all ();
  free (buffer);
  return 0;
}
