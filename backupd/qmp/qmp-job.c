/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job's state machine is QEMU's, and moves while it is looked at.  So it is ended
 * without a plan: each round looks where the job is and gives the one push that helps
 * there.  A refused push means that the job moved in between; the next round sees.
 * One that is refused again and again is meant.  All are pushed in a round. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "deadline.h"
#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-job.h"
#include "qmp-session.h"

#define POLL_MS 100
#define REFUSALS_MAX 5

int
qmp_job_list (struct qmp *qmp, json_object **jobs, struct failure *why)
{
  return qmp_call (qmp, "query-jobs", NULL, QMP_TIMEOUT_MS, jobs, why);
}

const char *
qmp_job_status (json_object *jobs, const char *id)
{
  return json_get_string (json_find (jobs, "id", id), "status");
}

const char *
qmp_job_of_snapshot (json_object *job)
{
  const char *type = json_get_string (job, "type");

  return type != NULL && strncmp (type, "snapshot-", strlen ("snapshot-")) == 0
         ? type : NULL;
}

const char *
qmp_job_stream_that_ends (json_object *jobs)
{
  size_t i, n = json_length (jobs);

  for (i = 0; i < n; i++) {
    json_object *job = json_object_array_get_idx (jobs, i);
    uint64_t all = json_get_u64 (job, "total-progress");

    if (!json_has_string (job, "type", "stream"))
      continue;
    if (!json_has_string (job, "status", "running") &&
        !json_has_string (job, "status", "paused") &&
        !json_has_string (job, "status", "created"))
      return json_get_string (job, "id");
    if (all > 0 && json_get_u64 (job, "current-progress") >= all)
      return json_get_string (job, "id");
  }
  return NULL;
}

const char *
qmp_job_that_creates (json_object *jobs)
{
  size_t i, n = json_length (jobs);

  for (i = 0; i < n; i++) {
    json_object *job = json_object_array_get_idx (jobs, i);

    if (json_has_string (job, "type", "create") &&
        !json_has_string (job, "status", "concluded"))
      return json_get_string (job, "id");
  }
  return NULL;
}

/* --- ending -------------------------------------------------------------- */

struct ending {
  const char *id;
  unsigned refusals;
  bool cancelled, refused;
};

struct endings {
  struct ending *jobs;
  size_t n;
  int64_t deadline_ms;
  void (*before_cancel) (void *opaque);
  void *opaque;
  char left[128], status[32];   /* one that was there when it was last looked */
  bool pushed;                  /* QEMU took something in the last round */
  int first;                    /* what a refused one came to */
};

static int
end_timeout (struct qmp *qmp, const struct endings *endings, int timeout_ms,
             struct failure *why)
{
  return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU's job %s did not "
                      "end within %.1f s (it is %s): QEMU still waits for the "
                      "job's target, which may be gone; it ends after the "
                      "reconnect delay (%s)", endings->left,
                      timeout_ms / 1000.0, endings->status,
                      qmp_session_transport (qmp)->name);
}

/* Gives JOB, which is in STATUS, the push that it needs. */
static int
push (struct qmp *qmp, struct endings *endings, struct ending *job,
      const char *status, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  const char *command = strcmp (status, "concluded") == 0 ? "job-dismiss"
                        : job->cancelled || strcmp (status, "null") == 0
                        ? NULL : "job-cancel";
  int r;

  if (command == NULL)
    return 0;
  if (endings->before_cancel != NULL && strcmp (command, "job-cancel") == 0)
    endings->before_cancel (endings->opaque);
  r = qmp_session_call (qmp, command, json_with ("id", job->id),
                        endings->deadline_ms, NULL, &refusal);
  if (r == -ETIMEDOUT)
    return failure_set (why, refusal.class, -r, "%s", refusal.text);
  if (r == 0)
    job->cancelled = endings->pushed = true;
  else if (++job->refusals == REFUSALS_MAX) {
    job->refused = true;
    endings->first = failure_set (why, refusal.class, -r, "%s", refusal.text);
  }
  return 0;
}

/* How many are not at their end yet. */
static int
round_of (struct qmp *qmp, struct endings *endings, struct failure *why)
{
  CLEANUP_JSON json_object *jobs = NULL;
  int r = qmp_session_call (qmp, "query-jobs", NULL, endings->deadline_ms,
                            &jobs, why);
  int left = 0;

  endings->pushed = false;
  for (size_t i = 0; r == 0 && i < endings->n; i++) {
    struct ending *job = &endings->jobs[i];
    const char *status = job->refused ? NULL : qmp_job_status (jobs, job->id);

    if (status == NULL)
      continue;
    left++;
    snprintf (endings->left, sizeof endings->left, "%s", job->id);
    snprintf (endings->status, sizeof endings->status, "%s", status);
    r = ms_left (endings->deadline_ms) == 0 ? -ETIMEDOUT
        : push (qmp, endings, job, status, why);
  }
  return r < 0 ? r : left;
}

static int
end_all (struct qmp *qmp, struct endings *endings, struct failure *why)
{
  int r;

  while ((r = round_of (qmp, endings, why)) > 0) {
    int64_t step_ms = MIN (now_ms () + POLL_MS, endings->deadline_ms);

    if (!endings->pushed &&
        qmp_session_wait_event (qmp, step_ms) == -ENOTCONN)
      return qmp_session_lost (qmp, why);
  }
  return r < 0 ? r : endings->first;
}

int
qmp_job_end (struct qmp *qmp, const char *const *ids, int timeout_ms,
             void (*before_cancel) (void *opaque), void *opaque,
             struct failure *why)
{
  size_t n = g_strv_length ((char **) ids);
  g_autofree struct ending *jobs = g_new0 (struct ending, n);
  struct endings endings = { .jobs = jobs, .n = n,
                             .deadline_ms = now_ms () + timeout_ms,
                             .before_cancel = before_cancel, .opaque = opaque };
  struct failure reason = { .error = 0 };
  int r;

  for (size_t i = 0; i < n; i++)
    jobs[i].id = ids[i];
  r = end_all (qmp, &endings, &reason);
  if (r == 0)
    return 0;
  if (r == -ETIMEDOUT && endings.status[0] != '\0')
    return end_timeout (qmp, &endings, timeout_ms, why);
  return failure_set (why, reason.class, -r, "%s", reason.text);
}

/* --- looking ------------------------------------------------------------- */

/* Without the graph: a job that was not named by its maker is called like the
 * drive it works on. */
static int
job_called_like (struct qmp *qmp, const char *device, char *id, size_t size,
                 struct failure *why)
{
  CLEANUP_JSON json_object *jobs = NULL;
  int r;

  id[0] = '\0';
  if (device[0] == '\0' || !qmp_has_command (qmp, "query-block-jobs"))
    return 0;
  r = qmp_call (qmp, "query-block-jobs", NULL, QMP_TIMEOUT_MS, &jobs, why);
  if (r < 0)
    return r;
  if (json_find (jobs, "device", device) != NULL)
    snprintf (id, size, "%s", device);
  return 0;
}

int
qmp_job_of_device (struct qmp *qmp, json_object *graph,
                   const struct qmp_disk *disk, char *id, size_t size,
                   struct failure *why)
{
  const char *job;

  if (graph == NULL)
    return job_called_like (qmp, disk->device, id, size, why);
  job = disk->node[0] == '\0' ? NULL : qmp_graph_job (graph, disk->node);
  snprintf (id, size, "%s", job == NULL ? "" : job);
  return 0;
}
