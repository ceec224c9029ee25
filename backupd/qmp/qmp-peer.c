/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which run of a virtual machine this is, QEMU does not say: its UUID is that of the
 * next run, too.  Its pid may be anybody's by then, but not with the same start time. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "proc-start.h"
#include "qmp-peer.h"
#include "qmp-session.h"

/* Both are left alone where it cannot be told. */
static void
current_user (pid_t pid, uid_t *uid, gid_t *gid)
{
  char path[64], line[256];
  unsigned id;
  FILE *status;

  snprintf (path, sizeof path, "/proc/%d/status", (int) pid);
  status = fopen (path, "re");
  if (status == NULL)
    return;
  while (fgets (line, sizeof line, status) != NULL) {
    /* The second number is the effective one. */
    if (sscanf (line, "Uid: %*u %u", &id) == 1)
      *uid = id;
    else if (sscanf (line, "Gid: %*u %u", &id) == 1)
      *gid = id;
  }
  fclose (status);
}

int
qmp_peer (const struct qmp *qmp, uid_t *uid, gid_t *gid, pid_t *pid)
{
  const struct qmp_transport *transport = qmp_session_transport (qmp);
  int r = transport->calls->peer (transport, uid, gid, pid);

  if (r == 0)
    current_user (*pid, uid, gid);
  return r;
}

const char *
qmp_folder (const struct qmp *qmp)
{
  return qmp_session_transport (qmp)->folder;
}

char *
qmp_boot_id (const struct qmp *qmp)
{
  uid_t uid;
  gid_t gid;
  pid_t pid;
  char start[PROC_START_SIZE];

  if (qmp_peer (qmp, &uid, &gid, &pid) < 0 || !proc_start_time (pid, start))
    return g_strdup ("");
  return g_strdup_printf ("%d-%s", (int) pid, start);
}

bool
qmp_boot_is_alive (const char *boot_id)
{
  char *end, start[PROC_START_SIZE];
  long pid = strtol (boot_id, &end, 10);

  return pid > 0 && *end == '-' && proc_start_time ((pid_t) pid, start) &&
         strcmp (start, end + 1) == 0;
}

int
qmp_uuid (struct qmp *qmp, char *uuid, size_t size, struct failure *why)
{
  CLEANUP_JSON json_object *result = NULL;
  const char *value = NULL;
  int r;

  if (qmp_has_command (qmp, "query-uuid")) {
    r = qmp_call (qmp, "query-uuid", NULL, QMP_TIMEOUT_MS, &result, why);
    if (r < 0)
      return r;
    value = json_get_string (result, "UUID");
  }
  /* Of zeros: QEMU's way to say that it was given none. */
  if (value == NULL || strspn (value, "0-") == strlen (value))
    value = "";
  snprintf (uuid, size, "%s", value);
  return 0;
}
