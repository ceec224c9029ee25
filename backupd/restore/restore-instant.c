/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who looks sees what the thread has noted last; only the thread asks QEMU. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "deadline.h"
#include "json-members.h"
#include "log.h"
#include "restore-instant.h"
#include "restore-storage-daemon.h"

/* Bytes per second, where nothing is said. */
#define RATE (100 << 20)
/* A failure is tried again after this. */
#define AGAIN_MS 3000

/* --- names --------------------------------------------------------------------- */

char *
restore_instant_export (const struct restore *restore,
                        const struct restore_image *image)
{
  unsigned generation = restore->instant == NULL ? 1
                        : restore->instant->generation;

  return generation == 1 ? g_strdup (image->disk)
         : g_strdup_printf ("%s.%u", image->disk, generation);
}

bool
restore_instant_is_interrupted (const struct restore *restore)
{
  return restore->instant != NULL &&
         restore->phase == RESTORE_PHASE_WRITABLE && restore->gateway == NULL;
}

/* --- what is told ------------------------------------------------------------- */

void
restore_instant_set_state (struct restore_instant *instant,
                           struct restore_moved *disk, const char *state,
                           const char *reason)
{
  pthread_mutex_lock (&instant->lock);
  if (reason != NULL && g_strcmp0 (reason, disk->reason) != 0)
    log_warning ("restore %s: the move of %s waits: %s", instant->restore->name,
                 disk->image->disk, reason);
  disk->state = state;
  g_free (disk->reason);
  disk->reason = g_strdup (reason);
  pthread_mutex_unlock (&instant->lock);
}

static struct restore_moved *
find_disk (struct restore_instant *instant, const char *name)
{
  for (guint i = 0; i < instant->n; i++)
    if (strcmp (instant->disks[i].image->disk, name) == 0)
      return &instant->disks[i];
  return NULL;
}

void
restore_instant_tell (struct restore_instant *instant, const char *name,
                   json_object *o)
{
  struct restore_moved *disk = instant == NULL ? NULL
                               : find_disk (instant, name);

  if (disk == NULL)
    return;
  pthread_mutex_lock (&instant->lock);
  json_add_string (o, "move", disk->state);
  json_add_u64 (o, "moved", disk->bytes);
  json_add_known (o, "move-reason", disk->reason);
  pthread_mutex_unlock (&instant->lock);
}

static unsigned
percent (const struct restore_moved *disk)
{
  return disk->all == 0 ? 0
         : (unsigned) (100.0 * (double) disk->bytes / (double) disk->all);
}

int
restore_instant_check_moved (struct restore_instant *instant,
                             struct failure *why)
{
  int r = 0;

  pthread_mutex_lock (&instant->lock);
  for (guint i = 0; r == 0 && i < instant->n; i++) {
    const struct restore_moved *disk = &instant->disks[i];

    if (strcmp (disk->state, "moved") != 0)
      r = failure_set (why, FAILURE_BUSY, EBUSY, "the data of %s is not all in "
                       "%s yet (%u %%, %s%s%s): wait until restore-info says "
                       "moved", disk->image->disk, disk->image->path,
                       percent (disk), disk->state,
                       disk->reason == NULL ? "" : ": ",
                       disk->reason == NULL ? "" : disk->reason);
  }
  pthread_mutex_unlock (&instant->lock);
  return r;
}

char *
restore_instant_broken (struct restore_instant *instant)
{
  char *broken;

  pthread_mutex_lock (&instant->lock);
  broken = g_strdup (instant->broken);
  pthread_mutex_unlock (&instant->lock);
  return broken;
}

void
restore_instant_set (struct restore_instant *instant, uint64_t rate, bool pause)
{
  pthread_mutex_lock (&instant->lock);
  instant->pause = pause;
  instant->unsaved = true;
  if (rate != 0)
    instant->rate = rate;
  for (guint i = 0; i < instant->n; i++)
    instant->disks[i].again = 0;
  pthread_cond_signal (&instant->wake);
  pthread_mutex_unlock (&instant->lock);
}

void
restore_instant_fail (struct restore_instant *instant,
                      struct restore_moved *disk, const char *reason)
{
  restore_instant_set_state (instant, disk, "stalled", reason);
  pthread_mutex_lock (&instant->lock);
  disk->again = now_ms () + AGAIN_MS;
  pthread_mutex_unlock (&instant->lock);
}

/* --- the journal ---------------------------------------------------------------- */

void
restore_instant_record (const struct restore *restore, json_object *journal)
{
  struct restore_instant *instant = restore->instant;
  json_object *o;

  if (instant == NULL)
    return;
  o = json_object_new_object ();
  json_add_known (o, "tcp", instant->tcp);
  json_add_u64 (o, "generation", instant->generation);
  json_add_bool (o, "clean", instant->clean);
  pthread_mutex_lock (&instant->lock);
  json_add_u64 (o, "max-rate", instant->rate);
  json_add_bool (o, "pause", instant->pause);
  json_add_known (o, "broken", instant->broken);
  pthread_mutex_unlock (&instant->lock);
  json_object_object_add (journal, "instant", o);
}

void
restore_instant_from_record (struct restore *restore, json_object *journal)
{
  json_object *o = json_get_object (journal, "instant");
  struct restore_instant *instant;

  if (o == NULL)
    return;
  restore_instant_create (restore, json_get_string (o, "tcp"),
                          (int64_t) json_get_u64 (o, "max-rate"));
  instant = restore->instant;
  instant->generation = MAX (1u, (unsigned) json_get_u64 (o, "generation"));
  instant->clean = json_get_bool (o, "clean");
  instant->pause = json_get_bool (o, "pause");
  instant->broken = g_strdup (json_get_string (o, "broken"));
}

/* --- from start to end ------------------------------------------------------------- */

void
restore_instant_create (struct restore *restore, const char *tcp, int64_t rate)
{
  struct restore_instant *instant = g_new0 (struct restore_instant, 1);
  pthread_condattr_t attributes;

  instant->restore = restore;
  instant->tcp = g_strdup (tcp);
  instant->generation = 1;
  instant->rate = rate < 1 ? RATE : (uint64_t) rate;
  instant->n = restore->images->len;
  instant->disks = g_new0 (struct restore_moved, instant->n);
  for (guint i = 0; i < instant->n; i++) {
    struct restore_moved *disk = &instant->disks[i];

    disk->image = restore->images->pdata[i];
    disk->node = restore_storage_daemon_node (i);
    disk->state = disk->image->moved ? "moved" : "waiting";
  }
  pthread_mutex_init (&instant->lock, NULL);
  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&instant->wake, &attributes);
  pthread_condattr_destroy (&attributes);
  restore->instant = instant;
}

void
restore_instant_destroy (struct restore_instant *instant)
{
  if (instant == NULL)
    return;
  for (guint i = 0; i < instant->n; i++) {
    g_free (instant->disks[i].node);
    g_free (instant->disks[i].reason);
  }
  pthread_mutex_destroy (&instant->lock);
  pthread_cond_destroy (&instant->wake);
  g_free (instant->tcp);
  g_free (instant->broken);
  g_free (instant->disks);
  g_free (instant);
}
