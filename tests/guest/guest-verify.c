/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A thread for each disk that writes blocks and knows what it has written: a part
 * of them is read again soon, and all of them at the end.  What failed may or may
 * not have been written, and is not looked at until it is written again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "guest-load.h"

enum { SECTOR = 512, BLOCK = 4096, SECTOR_WORDS = SECTOR / 8 };
enum { UNKNOWN, FIRST_STAMP };

struct verifier
{
  pthread_t thread;
  struct options options;
  int fd;
  uint64_t blocks, random;
  uint64_t *known;              /* by block: its stamp, or UNKNOWN */
  uint64_t *buffer;
  atomic_ullong begun_us;       /* of the operation that runs, or 0 */
};

static struct verifier verifiers[MAX_DISKS];
static unsigned count;
static atomic_bool stopping;
static atomic_ullong writes, wrong, stall_us;

static void
note_stall (unsigned long long took)
{
  unsigned long long most = atomic_load (&stall_us);

  while (took > most
         && !atomic_compare_exchange_weak (&stall_us, &most, took))
    continue;
}

/* Reads or writes the buffer.  Whether it succeeded. */
static bool
transfer (struct verifier *v, bool write, uint64_t block)
{
  off_t offset = (off_t) (v->options.base + block * BLOCK);
  uint64_t begin = microseconds ();
  ssize_t done;

  atomic_store (&v->begun_us, begin);
  done = write ? pwrite (v->fd, v->buffer, BLOCK, offset)
    : pread (v->fd, v->buffer, BLOCK, offset);
  atomic_store (&v->begun_us, 0);
  note_stall (microseconds () - begin);
  if (done == BLOCK)
    return true;
  atomic_fetch_add (&errors_seen, 1);
  fprintf (stderr, "guest-writer: %s of block %" PRIu64 ": %s\n",
           write ? "write" : "read", block, strerror (done < 0 ? errno : EIO));
  return false;
}

static void
write_block (struct verifier *v, uint64_t block, uint64_t stamp)
{
  uint64_t at;

  for (at = 0; at < BLOCK / 8; at += SECTOR_WORDS) {
    v->buffer[at] = stamp;
    v->buffer[at + 1] = block * (BLOCK / 8) + at;
    v->buffer[at + 2] = v->options.seed;
  }
  v->known[block] = UNKNOWN;
  if (transfer (v, true, block))
    v->known[block] = stamp;
  atomic_fetch_add (&writes, 1);
}

static void
look_at_block (struct verifier *v, uint64_t block)
{
  uint64_t at;

  if (v->known[block] == UNKNOWN || !transfer (v, false, block))
    return;
  for (at = 0; at < BLOCK / 8; at += SECTOR_WORDS)
    if (v->buffer[at] != v->known[block]
        || v->buffer[at + 1] != block * (BLOCK / 8) + at
        || v->buffer[at + 2] != v->options.seed) {
      atomic_fetch_add (&wrong, 1);
      fprintf (stderr, "guest-writer: block %" PRIu64 " of %s is not what was "
               "written\n", block, v->options.disk[0]);
      return;
    }
}

static void *
verify (void *data)
{
  struct verifier *v = data;
  uint64_t begin = microseconds (), done = 0, due, now, block;

  while (!atomic_load (&stopping)) {
    block = next_random (&v->random) % v->blocks;
    write_block (v, block, FIRST_STAMP + done);
    if (++done % 4 == 0)
      look_at_block (v, done % 8 == 0
                     ? block : next_random (&v->random) % v->blocks);
    due = v->options.rate == 0 ? 0 : begin + done * 1000000 / v->options.rate;
    now = microseconds ();
    if (due > now)
      usleep ((useconds_t) (due - now > 100000 ? 100000 : due - now));
  }
  for (block = 0; block < v->blocks; block++)
    look_at_block (v, block);
  return NULL;
}

int
start_verify (char *words)
{
  struct verifier *v = &verifiers[count];
  uint64_t size, span;
  char path[300];

  if (count == MAX_DISKS || !parse_options (words, &v->options)
      || v->options.disks != 1)
    return -EINVAL;
  v->fd = open_disk (v->options.disk[0], O_RDWR | O_DIRECT, path, sizeof path);
  if (v->fd < 0 || ioctl (v->fd, BLKGETSIZE64, &size) < 0)
    return -errno;
  span = v->options.span ? v->options.span : size - v->options.base;
  v->blocks = span / BLOCK;
  v->random = (v->options.seed + 1) * UINT64_C (0x9e3779b97f4a7c15);
  v->known = calloc (v->blocks, sizeof *v->known);
  if (v->known == NULL
      || posix_memalign ((void **) &v->buffer, BLOCK, BLOCK) != 0)
    return -ENOMEM;
  memset (v->buffer, 0x5a, BLOCK);
  atomic_store (&stopping, false);
  count++;
  return -pthread_create (&v->thread, NULL, verify, v);
}

void
stop_verify (void)
{
  atomic_store (&stopping, true);
  while (count > 0) {
    struct verifier *v = &verifiers[--count];

    pthread_join (v->thread, NULL);
    close (v->fd);
    free (v->known);
    free (v->buffer);
  }
}

void
report_verify (FILE *port)
{
  uint64_t now = microseconds (), begun;
  unsigned i;

  for (i = 0; i < count; i++) {
    begun = atomic_load (&verifiers[i].begun_us);
    if (begun != 0 && begun < now)
      note_stall (now - begun);
  }
  fprintf (port, "ok writes=%llu errors=%llu wrong=%llu stall-ms=%llu\n",
           atomic_load (&writes), atomic_load (&errors_seen),
           atomic_load (&wrong), atomic_exchange (&stall_us, 0) / 1000);
}
