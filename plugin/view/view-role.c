/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view: read-only disks as they were at the freeze.  NAME is all of the
 * disk; NAME@LABEL has data where the bitmap LABEL is dirty and holes
 * elsewhere, so that any NBD client can pull an incremental. */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "deadline.h"
#include "file-extents.h"
#include "fleece-consume.h"
#include "fleece-files.h"
#include "fleece-store.h"
#include "name.h"
#include "plugin-role.h"
#include "point-in-time.h"
#include "source.h"
#include "view-base.h"
#include "view-pace.h"

struct view_disk {
  struct fleece_store *store;
  struct fleece_consume *consume;       /* NULL: nothing is given back */
  struct source *base;
  struct view_pace pace;
};

struct role_export {
  char *name;
  struct view_disk *disk;
  struct granule_map *dirty;    /* the store's; NULL for NAME */
};

static struct view_disk *disks;
static size_t disk_count;
static struct role_export *exports;
static size_t export_count;
static bool skip_second_look;
static struct scratch_figures *figures; /* NULL: nobody counts */

/* One request of a client. */
struct view_request {
  struct role_export *export;
  uint64_t base_data_until, fleece_data_until;  /* as source_ops.extents */
  unsigned base_way;            /* source_way when it began */
  struct io_ring_batch batch;
};

static uint64_t
view_look (void *context, uint64_t offset, uint64_t limit, bool *present)
{
  struct view_request *request = context;
  const struct fleece_store *store = request->export->disk->store;

  return granule_map_run (fleece_store_present (store), offset, limit,
                          present);
}

static int
view_read_base (void *context, void *buffer, uint64_t length, uint64_t offset)
{
  struct view_request *request = context;

  return source_read (request->export->disk->base, &request->batch, buffer,
                      length, offset);
}

static int
view_read_fleece (void *context, void *buffer, uint64_t length, uint64_t offset)
{
  struct view_request *request = context;
  struct io_request io = {
    .fd = fleece_store_data_fd (request->export->disk->store),
    .buffer = buffer,
    .length = length,
    .offset = offset,
    .data_end = UINT64_MAX,
  };

  return io_ring_batch_put (&request->batch, &io);
}

static int
view_finish (void *context)
{
  struct view_request *request = context;
  int r = io_ring_batch_read (&request->batch);

  return r < 0 ? r : source_confirm (request->export->disk->base,
                                     request->base_way);
}

static int
view_broken (void *context)
{
  struct view_request *request = context;

  return fleece_store_broken (request->export->disk->store);
}

static uint64_t
view_consumed (void *context, uint64_t offset, uint64_t limit, bool *consumed)
{
  struct view_request *request = context;
  const struct granule_map *map =
    fleece_store_consumed (request->export->disk->store);

  return map == NULL ? limit : granule_map_run (map, offset, limit, consumed);
}

static uint64_t
view_wanted (void *context, uint64_t offset, uint64_t limit, bool *wanted)
{
  struct view_request *request = context;

  return granule_map_run (request->export->dirty, offset, limit, wanted);
}

static int
view_base_extents (void *context, uint64_t offset, uint64_t length,
                   struct source_extent *extents, size_t *count)
{
  struct view_request *request = context;

  return source_extents (request->export->disk->base, offset, length, extents,
                         count, &request->base_data_until);
}

static int
view_fleece_extents (void *context, uint64_t offset, uint64_t length,
                     struct source_extent *extents, size_t *count)
{
  struct view_request *request = context;

  return file_extents (fleece_store_data_fd (request->export->disk->store),
                       offset, length, extents, count,
                       &request->fleece_data_until);
}

#define VIEW_OPS \
  .look = view_look, \
  .read_base = view_read_base, \
  .read_fleece = view_read_fleece, \
  .finish = view_finish, \
  .broken = view_broken, \
  .consumed = view_consumed, \
  .base_extents = view_base_extents, \
  .fleece_extents = view_fleece_extents

static const struct point_in_time_ops all_ops = { VIEW_OPS };
static const struct point_in_time_ops dirty_ops = {
  VIEW_OPS,
  .wanted = view_wanted,
};

static struct point_in_time
view_of (struct view_request *request)
{
  struct point_in_time view = {
    .ops = request->export->dirty != NULL ? &dirty_ops : &all_ops,
    .context = request,
    .skip_second_look = skip_second_look,
  };

  return view;
}

/* What of it is read at all. */
static uint64_t
view_cost (const struct role_export *export, uint64_t offset, uint32_t count)
{
  uint64_t end = offset + count, cost = 0;

  if (export->dirty == NULL)
    return count;
  while (offset < end) {
    bool dirty;
    uint64_t run = granule_map_run (export->dirty, offset, end - offset,
                                    &dirty);

    cost += dirty ? run : 0;
    offset += run;
  }
  return cost;
}

static int
view_read_piece (struct role_export *export, void *buffer, uint32_t count,
                 uint64_t offset)
{
  struct view_request request;
  struct point_in_time view;
  unsigned attempt;
  int r = -ESTALE;

  request.export = export;
  for (attempt = 0; attempt < 2 && r == -ESTALE; attempt++) {
    request.batch.count = 0;
    request.base_way = source_way (export->disk->base);
    view = view_of (&request);
    r = point_in_time_read (&view, buffer, count, offset);
  }
  return r;
}

static int
view_read (struct role_export *export, void *buffer, uint32_t count,
           uint64_t offset)
{
  struct view_pace *pace = &export->disk->pace;
  char *to = buffer;
  int r = 0;

  while (count > 0 && r == 0) {
    uint32_t n = view_pace_piece (pace, count);

    r = view_pace_wait (pace, n, view_cost (export, offset, n));
    if (r == 0)
      r = view_read_piece (export, to, n, offset);
    to += n;
    offset += n;
    count -= n;
  }
  return r;
}

/* What one request for extents may cost; the client asks on. */
#define EXTENTS_MAX 8192
#define EXTENTS_MS 250

struct extents_to {
  struct nbdkit_extents *extents;
  size_t max;                   /* extents, neighbours alike being one */
  int64_t end_ms;
  size_t count;
  bool hole;                    /* the last one */
};

/* 1: enough.  A client that wants only one extent gets all of it, also where
 * what is present and what is not take turns, and so need not ask again. */
static int
add_extent (void *data, uint64_t offset, uint64_t length, bool hole)
{
  struct extents_to *to = data;
  uint32_t type = hole ? NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;

  if (to->count == 0 || hole != to->hole) {
    if (to->count == to->max)
      return 1;
    to->count++;
    to->hole = hole;
  }
  if (nbdkit_add_extent (to->extents, offset, length, type) < 0)
    return -ENOMEM;
  return now_ms () >= to->end_ms;
}

/* Dirty is data, clean is a hole: the bitmap as an allocation map. */
static int
dirty_extents (struct role_export *export, uint32_t count, uint64_t offset,
               struct extents_to *to)
{
  uint64_t end = offset + count;
  int r = 0;

  while (offset < end && r == 0) {
    bool dirty;
    uint64_t run = granule_map_run (export->dirty, offset, end - offset,
                                    &dirty);

    r = add_extent (to, offset, run, !dirty);
    offset += run;
  }
  if (r < 0)
    return r;
  return fleece_store_broken (export->disk->store) != 0 ? -EIO : 0;
}

static int
view_extents (struct role_export *export, uint32_t count, uint64_t offset,
              bool only_one, struct nbdkit_extents *extents)
{
  struct extents_to to = {
    .extents = extents,
    .max = only_one ? 1 : EXTENTS_MAX,
    .end_ms = now_ms () + EXTENTS_MS,
  };
  struct view_request request;
  struct point_in_time view;

  if (export->dirty != NULL)
    return dirty_extents (export, count, offset, &to);
  request.export = export;
  request.base_data_until = request.fleece_data_until = 0;
  request.batch.count = 0;
  view = view_of (&request);
  return point_in_time_extents (&view, offset, count, add_extent, &to);
}

static int
open_base (struct view_disk *disk, const struct disk_config *config,
           const char *fleece, const char *maps, struct failure *why)
{
  int r = fleece_store_open (fleece, maps, config->name, false, &disk->store);

  return r == 0 ? view_base_open (disk->store, config, &disk->base, why)
         : failure_set (why, FAILURE_STORAGE, -r, "cannot open the fleece "
                        "store of disk %s in %s: %s", config->name, fleece,
                        strerror (-r));
}

/* Both exports of a disk show the same store. */
static int
open_consume (struct view_disk *disk, const char *name, const char *fleece,
              const char *maps, struct failure *why)
{
  int r = fleece_store_open_consumed (disk->store, maps, name);

  if (r == 0 && figures == NULL) {
    r = scratch_figures_open (maps, &figures);
    r = r == -ENOENT ? 0 : r;
  }
  if (r == 0)
    r = fleece_consume_open (fleece, maps, name, disk->store, figures,
                             &disk->consume);
  return r == 0 ? 0
         : failure_set (why, FAILURE_STORAGE, -r, "cannot open what is needed "
                        "to give back of disk %s in %s: %s", name, maps,
                        strerror (-r));
}

static int
add_export (struct view_disk *disk, const char *name, const char *label)
{
  char full[EXPORT_NAME_MAX + 1];
  struct role_export *export = &exports[export_count];

  if (label != NULL && name_join (name, label, full, sizeof full) < 0)
    return -ENAMETOOLONG;
  export->name = strdup (label != NULL ? full : name);
  if (export->name == NULL)
    return -ENOMEM;
  export->disk = disk;
  export_count++;
  return 0;
}

static int
add_dirty_export (struct view_disk *disk, const char *name, const char *label,
                  const char *maps, struct failure *why)
{
  struct granule_map *dirty = NULL;
  char path[PATH_MAX];
  int r;

  r = fleece_dirty_path (maps, name, label, path, sizeof path);
  if (r == 0)
    r = fleece_store_open_dirty (disk->store, path, &dirty);
  if (r < 0)
    return failure_set (why, FAILURE_STORAGE, -r, "cannot open the dirty map "
                        "%s of disk %s in %s: %s", label, name, maps,
                        strerror (-r));
  if (granule_map_disk_size (dirty) !=
      granule_map_disk_size (fleece_store_present (disk->store)))
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "%s is for a disk "
                        "of another size than %s", path, name);
  r = add_export (disk, name, label);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "cannot export %s of disk "
                        "%s: %s", label, name, strerror (-r));
  exports[export_count - 1].dirty = dirty;
  return 0;
}

static int
start_disk (struct view_disk *disk, const struct disk_config *config,
            const struct plugin_config *all, struct failure *why)
{
  const char *fleece = all->fleece, *maps = plugin_config_maps (all);
  size_t i;
  int r;

  r = open_base (disk, config, fleece, maps, why);
  view_pace_open_device (config, disk->base, &disk->pace);
  if (r == 0 && all->consume)
    r = open_consume (disk, config->name, fleece, maps, why);
  if (r < 0)
    return r;
  r = add_export (disk, config->name, NULL);
  if (r < 0)
    return failure_set (why, FAILURE_GENERIC, -r, "cannot export disk %s: %s",
                        config->name, strerror (-r));
  for (i = 0; i < config->label_count && r == 0; i++)
    r = add_dirty_export (disk, config->name, config->labels[i], maps, why);
  return r;
}

static int
view_start (const struct plugin_config *config, struct failure *why)
{
  size_t i, wanted = 0;
  int r = 0;

#ifdef ENABLE_STOP_AFTER
  /* Test builds: proves that the stress test catches a view without rule V2. */
  const char *rule = getenv ("PULLBACK_BREAK_RULE");

  skip_second_look = rule != NULL && strcmp (rule, "no-second-look") == 0;
#endif
  for (i = 0; i < config->disk_count; i++)
    wanted += 1 + config->disks[i].label_count;
  disks = calloc (config->disk_count, sizeof *disks);
  exports = calloc (wanted, sizeof *exports);
  if (disks == NULL || exports == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disks");
  disk_count = config->disk_count;
  view_pace_open_limits (config);
  for (i = 0; i < disk_count && r == 0; i++)
    r = start_disk (&disks[i], &config->disks[i], config, why);
  return r;
}

static void
view_stop (void)
{
  size_t i;

  for (i = 0; i < export_count; i++)
    free (exports[i].name);
  for (i = 0; i < disk_count; i++) {
    source_close (disks[i].base);
    fleece_consume_close (disks[i].consume);
    fleece_store_close (disks[i].store);
    pace_close (disks[i].pace.pace);
  }
  view_pace_close_limits ();
  scratch_figures_close (figures);
  figures = NULL;
  free (exports);
  free (disks);
  exports = NULL;
  disks = NULL;
  export_count = disk_count = 0;
  io_ring_free_all ();
}

static struct role_export *
view_find (const char *name)
{
  size_t i;

  for (i = 0; i < export_count; i++)
    if (strcmp (exports[i].name, name) == 0)
      return &exports[i];
  return NULL;
}

static const char *
view_name (size_t index)
{
  return index < export_count ? exports[index].name : NULL;
}

static uint64_t
view_size (struct role_export *export)
{
  return granule_map_disk_size (fleece_store_present (export->disk->store));
}

static int
view_consume (struct role_export *export, uint32_t count, uint64_t offset)
{
  const struct view_disk *disk = export->disk;

  if (fleece_store_broken (disk->store) != 0)
    return -EIO;
  return fleece_consume_range (disk->consume, offset, count);
}

const struct plugin_role view_role = {
  .writable = false,
  .start = view_start,
  .stop = view_stop,
  .find = view_find,
  .name = view_name,
  .size = view_size,
  .read = view_read,
  .consume = view_consume,
  .extents = view_extents,
};
