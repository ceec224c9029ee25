/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The threads that read and write.  All I/O is O_DIRECT: what was acknowledged
 * has reached QEMU.  A worker counts under a lock of its own, which nobody else
 * takes but a lap, a few times a second.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "guest-load.h"

enum { MAX_WORKERS = 32, SLOTS = 400 };
enum { SECTOR = 512, MAX_LENGTH = 1 << 20 };

struct sums
{
  uint64_t ops[OPS], bytes, errors, max_us;
  unsigned error_op, error_code;        /* of the last error */
  uint32_t latency[SLOTS];      /* see slot_of () */
};

struct worker
{
  pthread_t thread;
  void (*work) (struct worker *);
  struct options options;
  int fd[2];
  uint64_t size;
  uint64_t random;
  unsigned char *buffer;
  uint64_t stamp;
  pthread_mutex_t lock;         /* protects sums */
  struct sums sums;
};

static struct worker workers[MAX_WORKERS];
static unsigned worker_count;
static atomic_bool stopping;
atomic_ullong errors_seen;
static uint64_t lap_start;       /* microseconds */

uint64_t
microseconds (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

uint64_t
next_random (uint64_t *state)
{
  uint64_t x = *state;

  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

/* Latencies are counted in slots that are 1/16 of an octave wide. */
static unsigned
slot_of (uint64_t us)
{
  unsigned octave, slot;

  if (us < 16)
    return (unsigned) us;
  octave = 63 - (unsigned) __builtin_clzll (us);
  slot = (octave - 3) * 16 + (unsigned) ((us >> (octave - 4)) & 15);
  return slot < SLOTS ? slot : SLOTS - 1;
}

static uint64_t
slot_start (unsigned slot)
{
  if (slot < 16)
    return slot;
  return (uint64_t) (16 + slot % 16) << (slot / 16 - 1);
}

/* Finds the block device with this serial, or of this name. */
int
open_disk (const char *name, int flags, char *path, size_t length)
{
  char file[300], serial[64];
  struct dirent *entry;
  FILE *stream;
  DIR *folder = opendir ("/sys/block");

  snprintf (path, length, "/dev/%s", name);
  while (folder != NULL && (entry = readdir (folder)) != NULL) {
    snprintf (file, sizeof file, "/sys/block/%s/serial", entry->d_name);
    stream = fopen (file, "r");
    if (stream == NULL)
      continue;
    if (fgets (serial, sizeof serial, stream) != NULL) {
      serial[strcspn (serial, "\n")] = 0;
      if (strcmp (serial, name) == 0)
        snprintf (path, length, "/dev/%s", entry->d_name);
    }
    fclose (stream);
  }
  if (folder != NULL)
    closedir (folder);
  return open (path, flags | O_CLOEXEC);
}

/* Every sector says who wrote it when, so no two writes are alike. */
static void
stamp_sectors (struct worker *worker, uint64_t offset, uint64_t length)
{
  uint64_t at;
  uint64_t *words;

  worker->stamp++;
  for (at = 0; at < length; at += SECTOR) {
    words = (uint64_t *) (void *) (worker->buffer + at);
    words[0] = worker->stamp;
    words[1] = offset + at;
    words[2] = worker->options.seed;
    words[3] = next_random (&worker->random);
  }
}

int
one_op (int fd, enum op op, unsigned char *buffer, uint64_t offset,
        uint64_t length)
{
  uint64_t range[2] = { offset, length };
  ssize_t done;

  switch (op) {
  case OP_READ:
  case OP_WRITE:
    done = op == OP_READ ? pread (fd, buffer, length, (off_t) offset)
      : pwrite (fd, buffer, length, (off_t) offset);
    return done == (ssize_t) length ? 0 : done < 0 ? -errno : -EIO;
  case OP_ZERO:
    return ioctl (fd, BLKZEROOUT, range) < 0 ? -errno : 0;
  case OP_DISCARD:
    return ioctl (fd, BLKDISCARD, range) < 0 ? -errno : 0;
  case OPS:
    break;
  }
  return -EINVAL;
}

static void
timed_op (struct worker *worker, int fd, enum op op, uint64_t offset,
          uint64_t length)
{
  uint64_t begin = microseconds (), took;
  int r = one_op (fd, op, worker->buffer, offset, length);
  struct sums *sums = &worker->sums;

  took = microseconds () - begin;
  pthread_mutex_lock (&worker->lock);
  sums->ops[op]++;
  sums->bytes += length;
  sums->latency[slot_of (took)]++;
  if (took > sums->max_us)
    sums->max_us = took;
  if (r < 0) {
    sums->errors++;
    sums->error_op = op;
    sums->error_code = (unsigned) -r;
  }
  pthread_mutex_unlock (&worker->lock);
  if (r < 0) {
    atomic_fetch_add (&errors_seen, 1);
    fprintf (stderr, "guest-writer: op %d at %" PRIu64 "+%" PRIu64 ": %s\n",
             (int) op, offset, length, strerror (-r));
  }
}

static void
wait_for_rate (struct worker *worker, uint64_t begin, uint64_t done)
{
  uint64_t due, now = microseconds ();

  if (worker->options.rate == 0)
    return;
  due = begin + done * 1000000 / worker->options.rate;
  if (due > now)
    usleep ((useconds_t) (due - now > 100000 ? 100000 : due - now));
}

/* Lengths are spread evenly over the octaves from 512 bytes to the most. */
static uint64_t
random_length (struct worker *worker)
{
  uint64_t most = worker->options.max / SECTOR, octaves = 1, sectors;

  while ((UINT64_C (1) << octaves) < most)
    octaves++;
  sectors = UINT64_C (1) << next_random (&worker->random) % (octaves + 1);
  if (next_random (&worker->random) % 2)
    sectors = 1 + next_random (&worker->random) % sectors;
  return (sectors < most ? sectors : most) * SECTOR;
}

static void
work_load (struct worker *worker)
{
  uint64_t begin = microseconds (), done = 0, span, length, offset, dice;
  struct options *options = &worker->options;

  span = options->span ? options->span : worker->size - options->base;
  while (!atomic_load (&stopping)) {
    length = random_length (worker);
    if (length > span)
      length = span;
    offset = next_random (&worker->random) % ((span - length) / SECTOR + 1);
    offset = options->base + offset * SECTOR;
    dice = next_random (&worker->random) % 10;
    if (dice < 6)
      stamp_sectors (worker, offset, length);
    timed_op (worker, worker->fd[0],
              dice < 6 ? OP_WRITE : dice < 8 ? OP_ZERO : OP_DISCARD,
              offset, length);
    wait_for_rate (worker, begin, ++done);
  }
}

/* ON milliseconds of work, then OFF without. */
static void
wait_for_burst (const struct worker *worker, uint64_t begin)
{
  uint64_t on = worker->options.on * 1000, off = worker->options.off * 1000;

  while (off > 0 && !atomic_load (&stopping)
         && (microseconds () - begin) % (on + off) >= on)
    usleep (1000);
}

static void
work_iops (struct worker *worker)
{
  uint64_t begin = microseconds (), done = 0, offset;
  uint64_t size = worker->options.size;
  enum op op;

  while (!atomic_load (&stopping)) {
    offset = next_random (&worker->random) % (worker->size / size) * size;
    op = next_random (&worker->random) % 100 < worker->options.reads
      ? OP_READ : OP_WRITE;
    if (op == OP_WRITE)
      stamp_sectors (worker, offset, size);
    timed_op (worker, worker->fd[0], op, offset, size);
    wait_for_rate (worker, begin, ++done);
    wait_for_burst (worker, begin);
  }
}

/* First the one disk, and only when that is done the other. */
static void
work_marker (struct worker *worker)
{
  uint64_t begin = microseconds (), counter = 0;
  uint64_t offset = worker->options.sector * SECTOR;

  while (!atomic_load (&stopping)) {
    memset (worker->buffer, 0, SECTOR);
    snprintf ((char *) worker->buffer, SECTOR, "%020" PRIu64, ++counter);
    timed_op (worker, worker->fd[0], OP_WRITE, offset, SECTOR);
    timed_op (worker, worker->fd[1], OP_WRITE, offset, SECTOR);
    wait_for_rate (worker, begin, counter);
  }
}

static void *
run_worker (void *data)
{
  struct worker *worker = data;

  worker->work (worker);
  return NULL;
}

bool
parse_options (char *words, struct options *options)
{
  char *word, *value, *rest = NULL;
  uint64_t number;

  *options = (struct options) { .seed = 1, .max = MAX_LENGTH, .threads = 1,
    .size = 4096 };
  for (word = strtok_r (words, " ", &rest); word != NULL;
       word = strtok_r (NULL, " ", &rest)) {
    value = strchr (word, '=');
    if (value == NULL)
      return false;
    *value++ = 0;
    number = strtoull (value, NULL, 0);
    if (strcmp (word, "disk") == 0 && options->disks < MAX_DISKS)
      snprintf (options->disk[options->disks++], 32, "%s", value);
    else if (strcmp (word, "seed") == 0)
      options->seed = number;
    else if (strcmp (word, "rate") == 0)
      options->rate = number;
    else if (strcmp (word, "max") == 0 && number >= SECTOR
             && number <= MAX_LENGTH)
      options->max = number;
    else if (strcmp (word, "size") == 0 && number >= SECTOR
             && number <= MAX_LENGTH && number % SECTOR == 0)
      options->size = number;
    else if (strcmp (word, "reads") == 0 && number <= 100)
      options->reads = number;
    else if (strcmp (word, "on") == 0 && number > 0)
      options->on = number;
    else if (strcmp (word, "off") == 0)
      options->off = number;
    else if (strcmp (word, "base") == 0)
      options->base = number;
    else if (strcmp (word, "span") == 0)
      options->span = number;
    else if (strcmp (word, "sector") == 0)
      options->sector = number;
    else if (strcmp (word, "threads") == 0 && number > 0)
      options->threads = (unsigned) number;
    else
      return false;
  }
  return true;
}

static int
start_worker (const struct options *options, unsigned disk, unsigned thread,
              void (*work) (struct worker *))
{
  struct worker *worker = &workers[worker_count];
  char path[300];
  unsigned i, disks = work == work_marker ? 2 : 1;
  int flags = O_RDWR | O_DIRECT | (work == work_marker ? O_SYNC : 0);

  if (worker_count == MAX_WORKERS)
    return -E2BIG;
  *worker = (struct worker) { .work = work, .options = *options };
  for (i = 0; i < disks; i++) {
    worker->fd[i] = open_disk (options->disk[disk + i], flags, path,
                               sizeof path);
    if (worker->fd[i] < 0)
      return -errno;
  }
  if (ioctl (worker->fd[0], BLKGETSIZE64, &worker->size) < 0)
    return -errno;
  if (posix_memalign ((void **) &worker->buffer, 4096, MAX_LENGTH) != 0)
    return -ENOMEM;
  worker->random = (options->seed + 1) * UINT64_C (0x9e3779b97f4a7c15)
    + disk * 1000003u + thread * 7919u;
  for (i = 0; i < MAX_LENGTH; i++)
    worker->buffer[i] = (unsigned char) next_random (&worker->random);
  pthread_mutex_init (&worker->lock, NULL);
  worker_count++;
  return -pthread_create (&worker->thread, NULL, run_worker, worker);
}

static int
start (char *words, void (*work) (struct worker *))
{
  struct options options;
  unsigned disk, thread;
  int r = 0;

  if (!parse_options (words, &options) || options.disks == 0)
    return -EINVAL;
  if (work == work_marker && options.disks != 2)
    return -EINVAL;
  if (worker_count == 0)
    lap_start = microseconds ();
  atomic_store (&stopping, false);
  for (disk = 0; disk < options.disks && r == 0; disk++) {
    for (thread = 0; thread < options.threads && r == 0; thread++)
      r = start_worker (&options, disk, thread, work);
    if (work == work_marker)
      break;
  }
  return r;
}

static uint64_t
percentile (const uint32_t *latency, uint64_t total, unsigned percent)
{
  uint64_t seen = 0;
  unsigned slot;

  for (slot = 0; slot < SLOTS; slot++) {
    seen += latency[slot];
    if (total != 0 && seen * 100 >= total * percent)
      return slot_start (slot);
  }
  return 0;
}

/* Adds what the worker has counted, which begins at 0 again. */
static void
take_sums (struct worker *worker, struct sums *total)
{
  struct sums sums;
  unsigned i;

  pthread_mutex_lock (&worker->lock);
  sums = worker->sums;
  worker->sums = (struct sums) { 0 };
  pthread_mutex_unlock (&worker->lock);
  for (i = 0; i < OPS; i++)
    total->ops[i] += sums.ops[i];
  for (i = 0; i < SLOTS; i++)
    total->latency[i] += sums.latency[i];
  total->bytes += sums.bytes;
  total->errors += sums.errors;
  if (sums.errors > 0) {
    total->error_op = sums.error_op;
    total->error_code = sums.error_code;
  }
  if (sums.max_us > total->max_us)
    total->max_us = sums.max_us;
}

void
lap (FILE *port)
{
  struct sums sums = { 0 };
  uint64_t total = 0, end = microseconds ();
  unsigned i;

  for (i = 0; i < worker_count; i++)
    take_sums (&workers[i], &sums);
  for (i = 0; i < OPS; i++)
    total += sums.ops[i];
  fprintf (port, "ok ops=%" PRIu64 " writes=%" PRIu64 " zeros=%" PRIu64
           " discards=%" PRIu64 " reads=%" PRIu64 " bytes=%" PRIu64
           " errors=%" PRIu64 " max-ms=%" PRIu64 " max-us=%" PRIu64
           " p50-us=%" PRIu64 " p99-us=%" PRIu64 " us=%" PRIu64
           " error-op=%u error-code=%u\n",
           total, sums.ops[OP_WRITE], sums.ops[OP_ZERO], sums.ops[OP_DISCARD],
           sums.ops[OP_READ], sums.bytes, sums.errors, sums.max_us / 1000,
           sums.max_us, percentile (sums.latency, total, 50),
           percentile (sums.latency, total, 99),
           worker_count > 0 ? end - lap_start : 0, sums.error_op,
           sums.error_code);
  lap_start = end;
}

void
stop_work (FILE *port)
{
  unsigned i;

  atomic_store (&stopping, true);
  for (i = 0; i < worker_count; i++)
    pthread_join (workers[i].thread, NULL);
  lap (port);
  for (i = 0; i < worker_count; i++) {
    free (workers[i].buffer);
    close (workers[i].fd[0]);
    if (workers[i].work == work_marker)
      close (workers[i].fd[1]);
  }
  worker_count = 0;
}

int
start_work (const char *kind, char *words)
{
  if (strcmp (kind, "load") == 0)
    return start (words, work_load);
  if (strcmp (kind, "iops") == 0)
    return start (words, work_iops);
  return start (words, work_marker);
}
