/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job's state machine is QEMU's, and moves while it is looked at.  So it is ended
 * without a plan: each round looks where the job is and gives the one push that helps
 * there.  A refused push means that the job moved in between; the next round sees.
 * One that is refused again and again is meant. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "deadline.h"
#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-job.h"
#include "qmp-session.h"

#define POLL_MS 100
#define REFUSALS_MAX 5

static int
query_status (struct qmp *qmp, const char *id, char *status, size_t size,
              int64_t deadline_ms, struct failure *why)
{
  CLEANUP_JSON json_object *jobs = NULL;
  json_object *job;
  const char *text;
  int r;

  r = qmp_session_call (qmp, "query-jobs", NULL, deadline_ms, &jobs, why);
  if (r < 0)
    return r;
  job = json_find (jobs, "id", id);
  if (job == NULL)
    return -ENOENT;
  text = json_get_string (job, "status");
  snprintf (status, size, "%s", text == NULL ? "" : text);
  return 0;
}

int
qmp_job_status (struct qmp *qmp, const char *id, char *status, size_t size)
{
  return query_status (qmp, id, status, size, now_ms () + QMP_TIMEOUT_MS, NULL);
}

int
qmp_job_list (struct qmp *qmp, json_object **jobs, struct failure *why)
{
  return qmp_call (qmp, "query-jobs", NULL, QMP_TIMEOUT_MS, jobs, why);
}

const char *
qmp_job_of_snapshot (json_object *job)
{
  const char *type = json_get_string (job, "type");

  return type != NULL && strncmp (type, "snapshot-", strlen ("snapshot-")) == 0
         ? type : NULL;
}

static int
end_timeout (struct qmp *qmp, const char *id, const char *status,
             int timeout_ms, struct failure *why)
{
  return failure_set (why, FAILURE_TIMEOUT, ETIMEDOUT, "QEMU's job %s did not "
                      "end within %.1f s (it is %s): QEMU still waits for the "
                      "job's target, which may be gone; it ends after the "
                      "reconnect delay (%s)", id,
                      timeout_ms / 1000.0, status, qmp_session_transport (qmp)->name);
}

static int
end_job (struct qmp *qmp, const char *id, int64_t deadline_ms, char *status,
         size_t size, struct failure *why)
{
  struct failure refusal = { .error = 0 };
  unsigned refusals = 0;
  bool cancelled = false;
  const char *push;
  int64_t step_ms;
  int r;

  for (;;) {
    r = query_status (qmp, id, status, size, deadline_ms, why);
    if (r == -ENOENT)
      return 0;
    if (r < 0)
      return r;
    if (ms_left (deadline_ms) == 0)
      return -ETIMEDOUT;
    push = strcmp (status, "concluded") == 0 ? "job-dismiss"
           : cancelled || strcmp (status, "null") == 0 ? NULL : "job-cancel";
    if (push != NULL) {
      refusal.error = 0;
      r = qmp_session_call (qmp, push, json_with ("id", id), deadline_ms,
                          NULL, &refusal);
      if (r == -ETIMEDOUT)
        return r;
      if (r == 0) {
        cancelled = true;
        continue;
      }
      if (++refusals == REFUSALS_MAX)
        return failure_set (why, refusal.class, -r, "%s", refusal.text);
    }
    step_ms = now_ms () + POLL_MS;
    r = qmp_session_wait_event (qmp, step_ms < deadline_ms ? step_ms : deadline_ms);
    if (r == -ENOTCONN)
      return qmp_session_lost (qmp, why);
  }
}

int
qmp_job_end (struct qmp *qmp, const char *id, int timeout_ms,
             struct failure *why)
{
  struct failure reason = { .error = 0 };
  char status[32] = "";
  int r;

  r = end_job (qmp, id, now_ms () + timeout_ms, status, sizeof status, &reason);
  if (r == 0)
    return 0;
  if (r == -ETIMEDOUT && status[0] != '\0')
    return end_timeout (qmp, id, status, timeout_ms, why);
  return failure_set (why, reason.class, -r, "%s", reason.text);
}

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
qmp_job_of_device (struct qmp *qmp, const struct qmp_disk *disk, char *id,
                   size_t size, struct failure *why)
{
  CLEANUP_JSON json_object *graph = NULL;
  const char *job;
  int r;

  r = qmp_graph_load (qmp, &graph, why);
  if (r < 0)
    return r;
  if (graph == NULL)
    return job_called_like (qmp, disk->device, id, size, why);
  job = disk->node[0] == '\0' ? NULL : qmp_graph_job (graph, disk->node);
  snprintf (id, size, "%s", job == NULL ? "" : job);
  return 0;
}
