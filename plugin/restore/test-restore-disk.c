/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What storage says is scripted: file systems that can neither punch holes nor zero
 * ranges, and a write-back that fails once. */
#include <config.h>

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file-identity.h"
#include "plugin-role.h"
#include "restore-disk.h"

#define SIZE 100000u

static bool no_punch, no_range;
static int sync_error, fallocate_error;

int __wrap_fallocate (int fd, int mode, off_t offset, off_t length);
int __wrap_fdatasync (int fd);

int
__wrap_fallocate (int fd, int mode, off_t offset, off_t length)
{
  static const char zeroes[SIZE];

  assert ((mode & FALLOC_FL_KEEP_SIZE) != 0);
  errno = fallocate_error;
  if (errno == 0 && (((mode & FALLOC_FL_PUNCH_HOLE) != 0 && no_punch) ||
                     ((mode & FALLOC_FL_ZERO_RANGE) != 0 && no_range)))
    errno = EOPNOTSUPP;
  if (errno != 0)
    return -1;
  assert (pwrite (fd, zeroes, (size_t) length, offset) == length);
  return 0;
}

/* Of two at once: the first is told of the error, and comes back late. */
static bool two_at_once;
static sem_t first_is_told, second_is_back;

static int
two_at_once_sync (void)
{
  struct timespec late;

  clock_gettime (CLOCK_REALTIME, &late);
  late.tv_sec++;
  sem_post (&first_is_told);
  /* Who must not come back before us does not. */
  if (sem_timedwait (&second_is_back, &late) == 0)
    sem_post (&second_is_back);
  errno = EIO;
  return -1;
}

int
__wrap_fdatasync (int fd)
{
  errno = sync_error;
  sync_error = 0;               /* the kernel tells it once */
  if (errno != 0 && two_at_once)
    return two_at_once_sync ();
  return errno != 0 ? -1 : 0;
}

static int
open_file (char path[64], int flags)
{
  int fd;

  strcpy (path, "/tmp/test-restore-disk-XXXXXX");
  fd = mkstemp (path);
  assert (fd >= 0 && ftruncate (fd, SIZE) == 0);
  close (fd);
  return open (path, flags);
}

static int
open_disk (int fd, const char *id, struct restore_disk *disk)
{
  struct disk_config config = { .name = (char *) "vda", .target_fd = fd };
  struct failure why = { .error = 0 };
  char found[FILE_IDENTITY_SIZE];
  struct stat st;
  int r;

  assert (fstat (fd, &st) == 0);
  file_identity_text (&st, found);
  config.target_id = (char *) (id != NULL ? id : found);
  r = restore_disk_open (disk, &config, &why);
  assert (r == 0 || strstr (why.text, "vda") != NULL);
  return r;
}

static void
wrong_descriptors_are_refused (void)
{
  struct restore_disk disk;
  char path[64];

  assert (open_disk (open_file (path, O_RDONLY), NULL, &disk) == -EBADF);
  restore_disk_close (&disk);
  unlink (path);
  assert (open_disk (open_file (path, O_RDWR), "file:1:1", &disk) == -EINVAL);
  restore_disk_close (&disk);
  unlink (path);
}

/* All but the bytes from FIRST to LAST are as they were. */
static void
check_zeroed (struct restore_disk *disk, uint32_t first, uint32_t last)
{
  static unsigned char data[SIZE];
  uint32_t i;

  assert (restore_disk_read (disk, data, SIZE, 0) == 0);
  for (i = 0; i < SIZE; i++)
    assert (data[i] == (i >= first && i < last ? 0 : 7));
}

static void
fill (struct restore_disk *disk)
{
  static unsigned char data[SIZE];

  memset (data, 7, sizeof data);
  assert (restore_disk_write (disk, data, SIZE, 0) == 0);
}

static void
zeroes_are_there_in_any_way (struct restore_disk *disk)
{
  unsigned flags, able;

  for (able = 0; able < 4; able++)
    for (flags = 0; flags <= (ROLE_MAY_TRIM | ROLE_FAST); flags += 2) {
      bool fast;
      int r;

      no_punch = (able & 1) == 0;
      no_range = (able & 2) == 0;
      fill (disk);
      r = restore_disk_zero (disk, 50001, 4099, flags);
      fast = !no_range || (!no_punch && (flags & ROLE_MAY_TRIM) != 0);
      assert (r == ((flags & ROLE_FAST) != 0 && !fast ? -EOPNOTSUPP : 0));
      check_zeroed (disk, 4099, r == 0 ? 54100 : 4099);
    }
  no_punch = no_range = false;
}

/* The zeros of a block device's whole blocks are the device's, those of the rest ours. */
static void
blocks_of_devices_stay_whole (struct restore_disk *disk)
{
  disk->file.is_block_device = true;
  fill (disk);
  assert (restore_disk_zero (disk, 10000, 4095, ROLE_MAY_TRIM) == 0);
  check_zeroed (disk, 4095, 14095);
  fill (disk);
  assert (restore_disk_zero (disk, 10, 4090, ROLE_MAY_TRIM | ROLE_FAST) == 0);
  check_zeroed (disk, 4090, 4100);
  fill (disk);
  assert (restore_disk_trim (disk, 10000, 4095) == 0);
  check_zeroed (disk, 4096, 12288);
  /* What the kernel would write is not fast. */
  fill (disk);
  assert (restore_disk_zero (disk, 8192, 4096, ROLE_FAST) == -EOPNOTSUPP);
  check_zeroed (disk, 0, 0);
  disk->file.is_block_device = false;
}

static void
errors_are_told (struct restore_disk *disk)
{
  fill (disk);
  fallocate_error = ENOSPC;
  assert (restore_disk_zero (disk, 4096, 0, 0) == -ENOSPC);
  assert (restore_disk_trim (disk, 4096, 0) == -ENOSPC);
  fallocate_error = ENOSYS;
  assert (restore_disk_trim (disk, 4096, 0) == 0);
  assert (restore_disk_zero (disk, 4096, 0, 0) == 0);
  fallocate_error = 0;
  check_zeroed (disk, 0, 4096);
  assert (restore_disk_flush (disk) == 0);
  sync_error = EIO;
  assert (restore_disk_flush (disk) == -EIO);
  assert (restore_disk_flush (disk) == -EIO);
}

static void *
flush_first (void *disk)
{
  assert (restore_disk_flush (disk) == -EIO);
  return NULL;
}

static void
both_of_two_flushes_fail (void)
{
  struct restore_disk disk;
  char path[64];
  pthread_t thread;

  assert (open_disk (open_file (path, O_RDWR), NULL, &disk) == 0);
  sem_init (&first_is_told, 0, 0);
  sem_init (&second_is_back, 0, 0);
  two_at_once = true;
  sync_error = EIO;
  assert (pthread_create (&thread, NULL, flush_first, &disk) == 0);
  sem_wait (&first_is_told);
  assert (restore_disk_flush (&disk) == -EIO);
  sem_post (&second_is_back);
  pthread_join (thread, NULL);
  two_at_once = false;
  restore_disk_close (&disk);
  unlink (path);
}

int
main (void)
{
  struct restore_disk disk;
  char path[64];

  wrong_descriptors_are_refused ();
  assert (open_disk (open_file (path, O_RDWR), NULL, &disk) == 0);
  assert (disk.size == SIZE);
  zeroes_are_there_in_any_way (&disk);
  blocks_of_devices_stay_whole (&disk);
  errors_are_told (&disk);
  restore_disk_close (&disk);
  unlink (path);
  both_of_two_flushes_fail ();
  return 0;
}
