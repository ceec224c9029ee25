/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The figures are a mapping: looking at them asks neither the sink nor the
 * storage, so that it cannot hang, and costs nothing where nobody writes. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>

#include "backup-scratch.h"
#include "backup-sink.h"
#include "fleece-files.h"
#include "granule-map.h"
#include "json-members.h"
#include "log.h"
#include "scratch-figures.h"
#include "scratch-ledger.h"

/* The limit of the backup in bytes; 0: none. */
static uint64_t
own_limit (const struct backup *backup)
{
  const struct arguments_backup_begin *given = backup->options.given;

  return given == NULL || given->scratch_limit < 0 ? 0
         : (uint64_t) given->scratch_limit;
}

int
backup_scratch_check (const struct backup *backup, struct failure *why)
{
  uint64_t limit = own_limit (backup);

  if (limit == 0 || limit >= GRANULE_DEFAULT)
    return 0;
  return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "--scratch-limit of %"
                      PRIu64 " bytes is less than the %u that the first guest "
                      "write may need: give more", limit, GRANULE_DEFAULT);
}

/* Bytes that are free where the store is; 0: not known. */
static uint64_t
room_of (const char *folder)
{
  struct statvfs fs;

  return statvfs (folder, &fs) < 0 ? 0
         : (uint64_t) fs.f_bavail * (uint64_t) fs.f_frsize;
}

/* The account of the limit of all backups; -1: there is none. */
static int
open_account (const struct backup *backup, int *account, struct failure *why)
{
  g_autofree char *folder = g_path_get_dirname (backup->paths.maps_folder);
  uint64_t limit = backup->paths.scratch_limit;

  *account = -1;
  if (limit == 0)
    return 0;
  *account = scratch_ledger_enter (folder, backup->options.domain, limit);
  if (*account >= 0)
    return 0;
  if (*account == -EDQUOT)
    return failure_set (why, FAILURE_STORAGE, EDQUOT, "the backups that run "
                        "have used up the scratch limit of all together, %"
                        PRIu64 " bytes: try again when one has ended", limit);
  return failure_set (why, FAILURE_STORAGE, -*account, "the scratch of all "
                      "backups cannot be counted in %s: %s", folder,
                      g_strerror (-*account));
}

static void
close_account (const struct backup *backup)
{
  g_autofree char *folder = g_path_get_dirname (backup->paths.maps_folder);
  int r = scratch_ledger_leave (folder, backup->options.domain);

  if (r < 0)
    log_warning ("the scratch of %s still counts in %s: %s",
                 backup->options.domain, folder, g_strerror (-r));
}

static int
create_figures (struct backup *backup, int account, struct failure *why)
{
  const struct scratch_terms terms = {
    .limit = own_limit (backup), .account = account,
    .room = room_of (backup->paths.scratch_folder)
  };
  int r;

  backup_scratch_close (backup);
  r = scratch_figures_create (backup->paths.maps_folder, &terms);
  if (r == 0)
    r = scratch_figures_open (backup->paths.maps_folder, &backup->figures);
  return r == 0 ? 0 : failure_set (why, FAILURE_STORAGE, -r, "the file of the "
                                   "sink's figures cannot be created in %s: "
                                   "%s", backup->paths.maps_folder,
                                   g_strerror (-r));
}

int
backup_scratch_create (struct backup *backup, struct failure *why)
{
  int account, r = open_account (backup, &account, why);

  return r < 0 ? r : create_figures (backup, account, why);
}

void
backup_scratch_look (struct backup *backup)
{
  if (backup->figures == NULL &&
      scratch_figures_open (backup->paths.maps_folder, &backup->figures) < 0)
    backup->figures = NULL;     /* of an older daemon: there are none */
}

/* Bytes that clients may give back, by the maps of what counts: 0 where they may not,
 * or there is none. */
static uint64_t
counted_bytes (const struct backup *backup)
{
  const struct backup_disk *disk;
  uint64_t sum = 0;

  FOR_EACH_DISK (backup, disk) {
    struct granule_map *counted = NULL;
    char path[4096];

    if (backup_model_consume (backup) &&
        fleece_counted_path (backup->paths.maps_folder, disk->name, path,
                             sizeof path) == 0 &&
        granule_map_open (path, false, &counted) == 0)
      sum += granule_map_count_bytes (counted);
    granule_map_close (counted);
  }
  return sum;
}

/* The guest is served whatever fails here. */
void
backup_scratch_mend (struct backup *backup)
{
  struct failure why = { .error = 0 }, no_account = { .error = 0 };
  const char *maps = backup->paths.maps_folder;
  int account, r = backup->figures != NULL ? 0
          : scratch_figures_open (maps, &backup->figures);

  if (r != -EINVAL && r != -EPROTONOSUPPORT)
    return;
  log_warning ("the sink's figures in %s cannot be read: it counts anew", maps);
  if (open_account (backup, &account, &no_account) < 0) {
    log_warning ("%s", no_account.text);
    account = -1;
  }
  if (create_figures (backup, account, &why) < 0)
    log_warning ("%s", why.text);
  else
    scratch_figures_resume (backup->figures, counted_bytes (backup));
}

void
backup_scratch_close (struct backup *backup)
{
  scratch_figures_close (backup->figures);
  backup->figures = NULL;
}

void
backup_scratch_remove (struct backup *backup)
{
  int r;

  backup_scratch_close (backup);
  close_account (backup);
  r = scratch_figures_remove (backup->paths.maps_folder);
  if (r < 0)
    log_warning ("the file of the sink's figures cannot be removed from %s: "
                 "%s", backup->paths.maps_folder, g_strerror (-r));
}

/* --- how full it is ------------------------------------------------- */

/* Percent that events tell of, and how far it must fall for that to be new again. */
#define SCRATCH_MUCH 70
#define SCRATCH_MOST 90
#define SCRATCH_FALL 5

struct fill {
  const char *of;               /* what is being filled; NULL: that is not known */
  uint64_t used, limit;         /* bytes */
};

static unsigned
percent (const struct fill *fill)
{
  return fill->of == NULL || fill->limit == 0 ? 0
         : (unsigned) (100.0 * (double) fill->used / (double) fill->limit);
}

/* Without a limit, or with one that is larger, it ends where the file system does. */
static struct fill
own_fill (const struct scratch_seen *seen)
{
  const struct scratch_terms *terms = &seen->terms;
  bool room = terms->room != 0 &&
              (terms->limit == 0 || terms->room < terms->limit);

  return (struct fill) { room ? "file-system"
                         : terms->limit != 0 ? "backup" : NULL, seen->used,
                         room ? terms->room : terms->limit };
}

json_object *
backup_scratch_event (struct backup *backup)
{
  struct scratch_seen seen;
  struct fill fill, host;
  unsigned now, next;
  json_object *o;

  if (backup->figures == NULL || backup->state != BACKUP_READY)
    return NULL;
  scratch_figures_look (backup->figures, &seen);
  fill = own_fill (&seen);
  host = (struct fill) { "host", seen.host_used, seen.host_limit };
  if (percent (&host) > percent (&fill))
    fill = host;
  now = percent (&fill);
  if (now + SCRATCH_FALL < backup->scratch_told)
    backup->scratch_told = now < SCRATCH_MUCH ? 0 : SCRATCH_MUCH;
  next = backup->scratch_told == 0 ? SCRATCH_MUCH : SCRATCH_MOST;
  if (now < next || backup->scratch_told == SCRATCH_MOST)
    return NULL;
  backup->scratch_told = next;
  o = json_with ("of", fill.of);
  json_add_u64 (o, "percent", next);
  json_add_u64 (o, "used", fill.used);
  json_add_u64 (o, "limit", fill.limit);
  return o;
}

/* --- what a person reads -------------------------------------------- */

/* EDQUOT is a limit of ours, or of the file system. */
static char *
full_reason (const struct backup *backup, const struct backup_disk *disk,
             int error)
{
  struct scratch_seen seen = { .exceeded = SCRATCH_LIMIT_NONE };
  bool own;

  if (error == EDQUOT && backup->figures != NULL)
    scratch_figures_look (backup->figures, &seen);
  if (seen.exceeded == SCRATCH_LIMIT_NONE)
    return g_strdup_printf ("scratch-full: the fleece store of disk %s in %s "
                            "failed: %s", disk->name,
                            backup->paths.scratch_folder, g_strerror (error));
  own = seen.exceeded == SCRATCH_LIMIT_BACKUP;
  return g_strdup_printf ("scratch-full: guest writes have pushed out more than "
                          "the scratch limit of %s, %" PRIu64 " bytes",
                          own ? "this backup" : "all backups together",
                          own ? seen.terms.limit : seen.host_limit);
}

char *
backup_scratch_reason (const struct backup *backup,
                       const struct backup_disk *disk, int error)
{
  int ms = backup->paths.sink_limit_ms != 0 ? backup->paths.sink_limit_ms
                                            : BACKUP_SINK_LIMIT_MS;

  if (error == ENOSPC || error == EDQUOT)
    return full_reason (backup, disk, error);
  if (error != ETIMEDOUT)
    return g_strdup_printf ("scratch-error: the fleece store of disk %s in %s "
                            "failed: %s", disk->name,
                            backup->paths.scratch_folder, g_strerror (error));
  return g_strdup_printf (ms % 1000 == 0
                          ? "scratch-slow: the fleece store of disk %s in %s "
                            "took longer than %d s"
                          : "scratch-slow: the fleece store of disk %s in %s "
                            "took longer than %d ms", disk->name,
                          backup->paths.scratch_folder,
                          ms % 1000 == 0 ? ms / 1000 : ms);
}

static double
to_ms (uint64_t ns)
{
  return (double) ns / 1e6;
}

/* How long guest writes waited. */
static json_object *
info_waits (const struct scratch_seen *seen)
{
  json_object *o = json_object_new_object ();
  json_object *histogram = json_object_new_array ();

  json_object_object_add (o, "max",
                          json_object_new_double (to_ms (seen->longest_ns)));
  json_object_object_add (o, "p99", json_object_new_double (
    to_ms (scratch_figures_p99 (seen))));
  for (unsigned i = 0; i < SCRATCH_FIGURES_WAITS; i++) {
    json_object *word = json_object_new_object ();
    uint64_t bound = scratch_figures_bound (i);

    json_object_object_add (word, "le-ms", bound == UINT64_MAX ? NULL
                            : json_object_new_double (to_ms (bound)));
    json_add_u64 (word, "count", seen->waits[i]);
    json_object_array_add (histogram, word);
  }
  json_object_object_add (o, "histogram", histogram);
  return o;
}

void
backup_scratch_info (const struct backup *backup, json_object *info)
{
  struct scratch_seen seen;
  json_object *o;

  if (backup->figures == NULL)
    return;
  scratch_figures_look (backup->figures, &seen);
  o = json_object_new_object ();
  json_add_u64 (o, "used", seen.used);
  json_add_u64 (o, "freed", backup->freed);
  json_object_object_add (o, "limit", seen.terms.limit == 0 ? NULL
                          : json_object_new_uint64 (seen.terms.limit));
  json_object_object_add (o, "host-used", seen.host_limit == 0 ? NULL
                          : json_object_new_uint64 (seen.host_used));
  json_object_object_add (o, "host-limit", seen.host_limit == 0 ? NULL
                          : json_object_new_uint64 (seen.host_limit));
  json_add_u64 (o, "writes", seen.writes);
  json_object_object_add (o, "wait-ms", info_waits (&seen));
  json_object_object_add (info, "scratch", o);
}
