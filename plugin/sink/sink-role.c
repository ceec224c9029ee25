/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sink: takes old data from QEMU.  It is in the guest's write path, so it
 * answers every write with success; what it could not keep breaks the backup
 * instead (rule B1). */
#include <config.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checked-math.h"
#include "deadline.h"
#include "fleece-store.h"
#include "full-io.h"
#include "pace-file.h"
#include "plugin-role.h"
#include "scratch-figures.h"
#include "sink-watch.h"

/* How often it looks whether there is nothing to write any more: before it is broken,
 * and from then on. */
#define REST_POLL_MS 500
#define REST_POLL_BROKEN_MS 20

/* The write that broke a store, until it was told. */
struct broken_write {
  int error;                    /* -errno; 0: none */
  uint32_t count;
  uint64_t offset;
};

struct role_export {
  const char *name;
  struct fleece_store *store;
  struct broken_write broken;   /* protected by broken_lock */
  struct pace *pace;            /* told of writes; NULL: nobody is */
};

static pthread_mutex_t broken_lock = PTHREAD_MUTEX_INITIALIZER;
static bool given_up;           /* by the watching thread alone */

static struct role_export *sinks;
static size_t sink_count;
static struct scratch_figures *figures; /* NULL: there are none */

/* Whether these two can be had or not, the guest is served.  Who starts a sink by
 * hand has made none. */
static void
open_figures (const char *maps)
{
  int r = scratch_figures_open (maps, &figures);

  if (r < 0 && r != -ENOENT)
    nbdkit_error ("the figures in %s cannot be opened, so nothing is counted "
                  "and no limit is kept: %s", maps, strerror (-r));
}

static struct pace *
open_pace (const struct disk_config *disk)
{
  struct pace *pace = NULL;
  int r = disk->pace == NULL ? 0 : pace_open (disk->pace, &pace);

  if (r < 0)
    nbdkit_error ("%s is not told of writes: %s", disk->pace, strerror (-r));
  return pace;
}

static int
sink_start (const struct plugin_config *config, struct failure *why)
{
  const char *maps = plugin_config_maps (config);
  size_t i;
  int r = 0;

  open_figures (maps);
  sinks = calloc (config->disk_count, sizeof *sinks);
  if (sinks == NULL)
    return failure_set (why, FAILURE_GENERIC, ENOMEM, "no memory for disks");
  for (i = 0; i < config->disk_count; i++) {
    const char *name = config->disks[i].name;

    sinks[i].name = name;
    sink_count = i + 1;
    sinks[i].pace = open_pace (&config->disks[i]);
    r = fleece_store_open (config->fleece, maps, name, true, &sinks[i].store);
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "cannot open the fleece "
                          "store of disk %s in %s: %s", name, config->fleece,
                          strerror (-r));
    fleece_store_count (sinks[i].store, figures);
    r = config->consume
        ? fleece_store_open_consumed (sinks[i].store, maps, name) : 0;
    if (r < 0)
      return failure_set (why, FAILURE_STORAGE, -r, "cannot open the map of "
                          "what clients of disk %s have given back in %s: %s",
                          name, maps, strerror (-r));
  }
  return 0;
}

static void
sink_stop (void)
{
  size_t i;

  sink_watch_stop ();
  for (i = 0; i < sink_count; i++) {
    fleece_store_close (sinks[i].store);
    pace_close (sinks[i].pace);
  }
  scratch_figures_close (figures);
  figures = NULL;
  free (sinks);
  sinks = NULL;
  sink_count = 0;
}

static struct role_export *
sink_find (const char *name)
{
  size_t i;

  for (i = 0; i < sink_count; i++)
    if (strcmp (sinks[i].name, name) == 0)
      return &sinks[i];
  return NULL;
}

static const char *
sink_name (size_t index)
{
  return index < sink_count ? sinks[index].name : NULL;
}

static uint64_t
sink_size (struct role_export *sink)
{
  return granule_map_disk_size (fleece_store_present (sink->store));
}

/* Rule B1: broken first, then success.  Who reads the log may be slow: it is
 * told by the thread that watches. */
static int
keep_guest_going (struct role_export *sink, int result, uint32_t count,
                  uint64_t offset)
{
  struct granule_map *present = fleece_store_present (sink->store);

  if (result == 0)
    return 0;
  pthread_mutex_lock (&broken_lock);
  if (granule_map_broken (present) == 0) {
    granule_map_set_broken (present, -result);
    sink->broken = (struct broken_write) { result, count, offset };
  }
  pthread_mutex_unlock (&broken_lock);
  sink_watch_tell ();
  return 0;
}

/* A store that is broken may hang as well: a dying disk does both. */
static int64_t
sinks_busy_since (void)
{
  int64_t oldest = INT64_MAX;
  size_t i;

  for (i = 0; i < sink_count; i++) {
    int64_t since = fleece_store_busy_since (sinks[i].store);

    oldest = since < oldest ? since : oldest;
  }
  return oldest;
}

/* All of them: they are on the same storage, and a backup is broken as a whole. */
static void
sinks_give_up (void)
{
  size_t i;

  for (i = 0; i < sink_count; i++)
    granule_map_set_broken (fleece_store_present (sinks[i].store), ETIMEDOUT);
  given_up = true;
}

/* Rule B6.  Somebody else may have broken them. */
static int
sinks_rest (void)
{
  bool rest = true, broken = true;
  size_t i;

  for (i = 0; i < sink_count; i++) {
    rest = rest && fleece_store_rests (sinks[i].store);
    broken = broken &&
             granule_map_said_broken (fleece_store_present (sinks[i].store));
  }
  if (figures == NULL)
    return -1;
  if (rest)
    scratch_figures_rest (figures);
  return rest ? -1 : broken ? REST_POLL_BROKEN_MS : REST_POLL_MS;
}

static void
tell_broken_write (struct role_export *sink)
{
  struct broken_write broken;

  pthread_mutex_lock (&broken_lock);
  broken = sink->broken;
  sink->broken.error = 0;
  pthread_mutex_unlock (&broken_lock);
  if (broken.error != 0)
    nbdkit_error ("disk %s: the fleece store cannot take %" PRIu32 " bytes at %"
                  PRIu64 ": %s; the backup is broken, the guest goes on",
                  sink->name, broken.count, broken.offset,
                  strerror (-broken.error));
}

static void
sinks_tell (void)
{
  size_t i;

  for (i = 0; i < sink_count; i++)
    tell_broken_write (&sinks[i]);
  if (given_up)
    nbdkit_error ("the fleece stores have not taken a write within %d ms; the "
                  "backup is broken, the guest goes on", sink_watch_limit ());
  given_up = false;
}

static const struct sink_watch_ops watch_ops = {
  .busy_since = sinks_busy_since,
  .give_up = sinks_give_up,
  .rest = sinks_rest,
  .tell = sinks_tell,
};

static void
end_at_once (int number)
{
  _exit (0);
}

static void
backup_ends (int number)
{
  sink_watch_backup_ends ();
}

/* Rule S6.  nbdkit would end in an orderly way: it answers what QEMU still sends with
 * errors, which the guest would get.  A connection that is cut is made again.
 *
 * SIGUSR1 is the daemon's word that the backup ends. */
static int
handle_signals (void)
{
  const int ends[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };
  struct sigaction action = { .sa_handler = end_at_once };
  size_t i;

  sigemptyset (&action.sa_mask);
  for (i = 0; i < sizeof ends / sizeof *ends; i++)
    if (sigaction (ends[i], &action, NULL) < 0)
      return -errno;
  action.sa_handler = backup_ends;
  action.sa_flags = SA_RESTART;
  return sigaction (SIGUSR1, &action, NULL) < 0 ? -errno : 0;
}

/* Rule B2. */
static int
sink_serve (const struct plugin_config *config, struct failure *why)
{
  int write_limit = config->write_limit_given ? config->write_limit
                                              : WRITE_LIMIT_DEFAULT;
  int r = handle_signals ();

  if (r == 0)
    r = sink_watch_start (&watch_ops, write_limit, WRITE_LIMIT_DEFAULT);
  if (r < 0)
    failure_set (why, FAILURE_GENERIC, -r, "cannot start the thread that "
                 "watches the write limit: %s", strerror (-r));
  return r;
}

static int
answer (struct role_export *sink, int result, uint32_t count, uint64_t offset,
        int64_t started)
{
  int r = keep_guest_going (sink, result, count, offset);

  scratch_figures_note (figures, (uint64_t) (now_ns () - started));
  return r;
}

static int
sink_write (struct role_export *sink, const void *buffer, uint32_t count,
            uint64_t offset, unsigned flags)
{
  int64_t started = now_ns ();
  int r = 0;

  if (sink->pace != NULL)
    pace_arrived (sink->pace, started);
  /* Nobody will read the store of a broken backup. */
  if (granule_map_broken (fleece_store_present (sink->store)) == 0)
    r = fleece_store_write (sink->store, buffer, count, offset);
  return answer (sink, r, count, offset, started);
}

static int
sink_zero (struct role_export *sink, uint32_t count, uint64_t offset,
           unsigned flags)
{
  int64_t started = now_ns ();
  int r = 0;

  if (sink->pace != NULL)
    pace_arrived (sink->pace, started);
  if (granule_map_broken (fleece_store_present (sink->store)) == 0)
    r = fleece_store_zero (sink->store, count, offset);
  return answer (sink, r, count, offset, started);
}

/* QEMU does not read its target, but nbdkit and the curious may: what is not
 * present reads as zeros. */
static int
sink_read (struct role_export *sink, void *buffer, uint32_t count,
           uint64_t offset)
{
  const struct granule_map *present = fleece_store_present (sink->store);
  char *p = buffer;
  int r = 0;

  while (count > 0 && r == 0) {
    bool set;
    uint64_t run = granule_map_run (present, offset, count, &set);

    if (set)
      r = full_pread (fleece_store_data_fd (sink->store), p, run, offset);
    else
      memset (p, 0, run);
    p += run;
    offset += run;
    count -= (uint32_t) run;
  }
  return r;
}

const struct plugin_role sink_role = {
  .writable = true,
  .start = sink_start,
  .stop = sink_stop,
  .serve = sink_serve,
  .find = sink_find,
  .name = sink_name,
  .size = sink_size,
  .read = sink_read,
  .write = sink_write,
  .zero = sink_zero,
};
