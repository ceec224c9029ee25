/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The figures are a mapping: looking at them asks neither the sink nor the
 * storage, so that it cannot hang, and costs nothing where nobody writes. */
#include <config.h>

#include <errno.h>

#include "backup-scratch.h"
#include "json-members.h"
#include "log.h"
#include "scratch-figures.h"

int
backup_scratch_create (struct backup *backup, struct failure *why)
{
  int r;

  backup_scratch_close (backup);
  r = scratch_figures_create (backup->paths.maps_folder);
  if (r == 0)
    r = scratch_figures_open (backup->paths.maps_folder, &backup->figures);
  return r == 0 ? 0 : failure_set (why, FAILURE_STORAGE, -r, "the file of the "
                                   "sink's figures cannot be created in %s: "
                                   "%s", backup->paths.maps_folder,
                                   g_strerror (-r));
}

void
backup_scratch_look (struct backup *backup)
{
  if (backup->figures == NULL &&
      scratch_figures_open (backup->paths.maps_folder, &backup->figures) < 0)
    backup->figures = NULL;     /* of an older daemon: there are none */
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
  r = scratch_figures_remove (backup->paths.maps_folder);
  if (r < 0)
    log_warning ("the file of the sink's figures cannot be removed from %s: "
                 "%s", backup->paths.maps_folder, g_strerror (-r));
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
  json_add_u64 (o, "writes", seen.writes);
  json_object_object_add (o, "wait-ms", info_waits (&seen));
  json_object_object_add (info, "scratch", o);
}
