/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The restore role: raw images and block devices that clients write back.  A flush
 * covers what any connection was answered, as all write to the same file: so clients may
 * use several (multi-conn). */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "file-extents.h"
#include "plugin-role.h"
#include "restore-disk.h"

/* Of an answer; the client asks on. */
#define EXTENTS_MAX 1024
#define EXTENTS_STEP 64

struct role_export {
  const char *name;
  struct restore_disk disk;
};

static struct role_export *targets;
static size_t target_count;

static int
restore_start (const struct plugin_config *config, struct failure *why)
{
  size_t i;
  int r = 0;

  targets = calloc (config->disk_count, sizeof *targets);
  if (targets == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disks");
  for (i = 0; i < config->disk_count && r == 0; i++) {
    targets[i].name = config->disks[i].name;
    target_count = i + 1;
    r = restore_disk_open (&targets[i].disk, &config->disks[i], why);
  }
  return r;
}

static void
restore_stop (void)
{
  size_t i;

  for (i = 0; i < target_count; i++)
    restore_disk_close (&targets[i].disk);
  free (targets);
  targets = NULL;
  target_count = 0;
}

static struct role_export *
restore_find (const char *name)
{
  size_t i;

  for (i = 0; i < target_count; i++)
    if (strcmp (targets[i].name, name) == 0)
      return &targets[i];
  return NULL;
}

static const char *
restore_name (size_t index)
{
  return index < target_count ? targets[index].name : NULL;
}

static uint64_t
restore_size (struct role_export *export)
{
  return export->disk.size;
}

static int
restore_read (struct role_export *export, void *buffer, uint32_t count,
              uint64_t offset)
{
  return restore_disk_read (&export->disk, buffer, count, offset);
}

static int
flush_if_asked (struct role_export *export, unsigned flags, int r)
{
  return r == 0 && (flags & ROLE_FUA) != 0
         ? restore_disk_flush (&export->disk) : r;
}

static int
restore_write (struct role_export *export, const void *buffer, uint32_t count,
               uint64_t offset, unsigned flags)
{
  int r = restore_disk_write (&export->disk, buffer, count, offset);

  return flush_if_asked (export, flags, r);
}

static int
restore_zero (struct role_export *export, uint32_t count, uint64_t offset,
              unsigned flags)
{
  int r = restore_disk_zero (&export->disk, count, offset, flags);

  return flush_if_asked (export, flags, r);
}

static int
restore_trim (struct role_export *export, uint32_t count, uint64_t offset,
              unsigned flags)
{
  int r = restore_disk_trim (&export->disk, count, offset);

  return flush_if_asked (export, flags, r);
}

static int
restore_flush (struct role_export *export)
{
  return restore_disk_flush (&export->disk);
}

static int
add_extents (struct nbdkit_extents *extents, uint64_t *offset,
             const struct source_extent *found, size_t count)
{
  size_t i;

  for (i = 0; i < count; i++) {
    uint32_t type = found[i].hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;

    if (nbdkit_add_extent (extents, *offset, found[i].length, type) < 0)
      return -errno;
    *offset += found[i].length;
  }
  return 0;
}

/* What a device has of holes it does not tell. */
static int
restore_extents (struct role_export *export, uint32_t count, uint64_t offset,
                 bool only_one, struct nbdkit_extents *extents)
{
  const struct image_file *file = &export->disk.file;
  struct source_extent found[EXTENTS_STEP] = { { count, false } };
  uint64_t end = offset + count, data_until = 0;
  size_t n, sum = 0;
  int r = 0;

  if (file->is_block_device)
    return add_extents (extents, &offset, found, 1);
  while (r == 0 && offset < end && sum < (only_one ? 1 : EXTENTS_MAX)) {
    n = only_one ? 1 : EXTENTS_STEP;
    r = file_extents (file->fd, offset, end - offset, found, &n, &data_until);
    if (r == 0)
      r = add_extents (extents, &offset, found, n);
    sum += n;
  }
  return r;
}

const struct plugin_role restore_role = {
  .writable = true,
  .heirs_wait = true,
  .start = restore_start,
  .stop = restore_stop,
  .find = restore_find,
  .name = restore_name,
  .size = restore_size,
  .read = restore_read,
  .write = restore_write,
  .zero = restore_zero,
  .trim = restore_trim,
  .flush = restore_flush,
  .extents = restore_extents,
};
