/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What events say that wait in the session, before they are handed out. */
#include <config.h>

#include "json-members.h"
#include "qmp-session.h"

size_t
qmp_events_waiting (const struct qmp *qmp)
{
  return qmp_session_events (qmp)->length;
}

static bool
is_of_new_job (json_object *message)
{
  return json_has_string (message, "event", "JOB_STATUS_CHANGE") &&
         json_has_string (json_get_object (message, "data"), "status",
                          "created");
}

size_t
qmp_jobs_made (const struct qmp *qmp)
{
  const GList *link = qmp_session_events (qmp)->head;
  size_t n = 0;

  for (; link != NULL; link = link->next)
    n += is_of_new_job (link->data);
  return n;
}
