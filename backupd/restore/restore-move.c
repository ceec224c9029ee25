/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread moves a piece of each image in turn, and looks at the sources several times
 * a second. */
#include <config.h>

#include <errno.h>
#include <time.h>

#include "deadline.h"
#include "json-members.h"
#include "log.h"
#include "qmp.h"
#include "restore-instant.h"
#include "restore-journal.h"
#include "restore-move-job.h"
#include "restore-move.h"
#include "restore-source.h"

#define TICK_MS 300

/* From the thread, or where there is none. */
static int
save (struct restore_instant *move, struct failure *why)
{
  bool unsaved;

  pthread_mutex_lock (&move->lock);
  unsaved = move->unsaved;
  move->unsaved = false;
  pthread_mutex_unlock (&move->lock);
  return unsaved ? restore_journal_write (move->restore, why) : 0;
}

int
restore_move_steer (struct restore *restore, int64_t max_rate, bool pause,
                    struct failure *why)
{
  struct restore_instant *move = restore->instant;

  if (move == NULL)
    return failure_set (why, FAILURE_BAD_ARGUMENT, EINVAL, "the restore %s is "
                        "not instant: there is nothing to move", restore->name);
  restore_instant_set (move, max_rate > 0 ? (uint64_t) max_rate : 0, pause);
  return move->running ? 0 : save (move, why);
}

/* --- all ------------------------------------------------------------------------------- */

/* Nobody reads from it any more what may be wrong.  Some of that may be in the image by now, so
 * that this is for good. */
static void
cut_off (struct restore_instant *move, const char *reason)
{
  struct failure why = { .error = 0 };
  struct qmp *qmp = NULL;
  int r;

  r = qmp_open (move->restore->monitor, QMP_TIMEOUT_MS, &qmp, &why);
  for (guint i = 0; i < move->n && r == 0; i++) {
    json_object *a = json_with ("id", move->disks[i].node);

    json_add_string (a, "mode", "hard");
    r = qmp_call (qmp, "block-export-del", a, QMP_TIMEOUT_MS, NULL, &why);
  }
  qmp_close (qmp);
  if (r < 0)
    log_error ("restore %s: %s", move->restore->name, why.text);
  log_error ("restore %s: %s: its clients are cut off", move->restore->name,
             reason);
  pthread_mutex_lock (&move->lock);
  move->broken = g_strdup (reason);
  move->unsaved = true;
  pthread_mutex_unlock (&move->lock);
  why.error = 0;
  if (save (move, &why) < 0)
    log_error ("restore %s: %s", move->restore->name, why.text);
}

static int
check_sources (struct restore_instant *move, struct failure *why)
{
  int r = 0;

  for (guint i = 0; r == 0 && i < move->n; i++)
    if (!move->disks[i].image->moved)
      r = restore_source_check (move->disks[i].image->source, why);
  return r;
}

static int
look_at (struct restore_instant *move, struct restore_moved *disk,
         struct failure *why)
{
  bool pause, due;
  uint64_t rate;

  pthread_mutex_lock (&move->lock);
  pause = move->pause;
  rate = move->rate;
  due = now_ms () >= disk->again;
  pthread_mutex_unlock (&move->lock);
  if (disk->image->moved)
    return 0;
  if (pause)
    restore_instant_set_state (move, disk, "paused", NULL);
  return pause || !due ? 0 : restore_move_job_piece (move, disk, rate, why);
}

/* One piece of each image that is due.  What of them has failed waits. */
static int
look (struct restore_instant *move, struct failure *why)
{
  int r = save (move, why);

  if (r == 0)
    r = check_sources (move, why);
  if (r == -ESTALE)
    cut_off (move, why->text);
  for (guint i = 0; i < move->n && r == 0; i++) {
    struct failure failed = { .error = 0 };

    if (look_at (move, &move->disks[i], &failed) < 0 && failed.error != 0)
      restore_instant_fail (move, &move->disks[i], failed.text);
  }
  return r;
}

static void
tell_failure (struct restore_instant *move, const char *text)
{
  for (guint i = 0; i < move->n; i++)
    if (!move->disks[i].image->moved)
      restore_instant_fail (move, &move->disks[i], text);
}

/* When the next piece is due, or the sources are looked at again. */
static int64_t
next_due (const struct restore_instant *move)
{
  int64_t next = now_ms () + TICK_MS;

  for (guint i = 0; i < move->n; i++)
    if (!move->pause && !move->disks[i].image->moved)
      next = MIN (next, move->disks[i].again);
  return next;
}

/* Until it is to stop, or there is something to do. */
static bool
wait_for_next (struct restore_instant *move)
{
  struct timespec until;
  bool goes_on;
  int64_t ms;

  pthread_mutex_lock (&move->lock);
  ms = next_due (move);
  until.tv_sec = ms / 1000;
  until.tv_nsec = ms % 1000 * 1000000;
  if (!move->stop && ms > now_ms ())
    pthread_cond_timedwait (&move->wake, &move->lock, &until);
  goes_on = !move->stop && move->broken == NULL;
  pthread_mutex_unlock (&move->lock);
  return goes_on;
}

static bool
is_done (const struct restore_instant *move)
{
  for (guint i = 0; i < move->n; i++)
    if (!move->disks[i].image->moved)
      return false;
  return true;
}

static void *
run (void *argument)
{
  struct restore_instant *move = argument;

  do {
    struct failure why = { .error = 0 };

    if (look (move, &why) < 0)
      tell_failure (move, why.text);
  } while (!is_done (move) && wait_for_next (move));
  for (guint i = 0; i < move->n; i++)
    restore_move_job_close (&move->disks[i]);
  return NULL;
}

/* --- from start to end ------------------------------------------------------------- */

int
restore_move_start (void *context, struct failure *why)
{
  const struct restore *restore = context;
  struct restore_instant *move = restore->instant;
  int r;

  if (move == NULL || move->running)
    return 0;
  for (guint i = 0; i < move->n; i++) {
    struct restore_moved *disk = &move->disks[i];

    disk->again = 0;
    disk->all = restore_target_size (disk->image->target);
    disk->bytes = disk->image->moved_to;
    disk->noted = now_ms ();
    restore_instant_set_state (move, disk, disk->image->moved ? "moved"
                               : "waiting", NULL);
  }
  move->stop = false;
  r = pthread_create (&move->thread, NULL, run, move);
  if (r != 0)
    return failure_set (why, FAILURE_GENERIC, r, "cannot start the move of %s: "
                        "%s", restore->name, g_strerror (r));
  move->running = true;
  return 0;
}

int
restore_move_stop (void *context, struct failure *why)
{
  const struct restore *restore = context;
  struct restore_instant *move = restore->instant;

  (void) why;
  if (move == NULL || !move->running)
    return 0;
  pthread_mutex_lock (&move->lock);
  move->stop = true;
  pthread_cond_signal (&move->wake);
  pthread_mutex_unlock (&move->lock);
  pthread_join (move->thread, NULL);
  move->running = false;
  for (guint i = 0; i < move->n; i++)
    if (!move->disks[i].image->moved)
      restore_instant_set_state (move, &move->disks[i], "waiting", NULL);
  return 0;
}
