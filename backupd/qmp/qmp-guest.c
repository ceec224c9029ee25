/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU says "prelaunch" of a machine that has not run, of one that was reset while it was paused,
 * and, wrongly, of one whose memory was loaded when it started (-loadvm): only its command
 * line tells of that. */
#include <config.h>

#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-guest.h"
#include "qmp-peer.h"

/* Each word ends with a null byte.  A process that cannot be seen has none. */
static bool
has_word (pid_t pid, const char *word)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/cmdline", (int) pid);
  g_autofree char *text = NULL;
  gsize length = 0;

  if (pid <= 0 || !g_file_get_contents (path, &text, &length, NULL))
    return false;
  for (gsize at = 0; at < length; at += strlen (text + at) + 1)
    if (strcmp (text + at, word) == 0)
      return true;
  return false;
}

static bool
was_loaded (const struct qmp *qmp)
{
  uid_t uid;
  gid_t gid;
  pid_t pid = 0;

  return qmp_peer (qmp, &uid, &gid, &pid) == 0 &&
         (has_word (pid, "-loadvm") || has_word (pid, "--loadvm"));
}

/* 1, 0 or -errno. */
static int
has_begun (struct qmp *qmp, struct failure *why)
{
  CLEANUP_JSON json_object *info = NULL;
  int r = qmp_call (qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &info, why);
  const char *status = r < 0 ? NULL : json_get_string (info, "status");

  return r < 0 ? r : status != NULL && strcmp (status, "none") != 0;
}

bool
qmp_guest_has_arrived (struct qmp *qmp)
{
  CLEANUP_JSON json_object *info = NULL;

  if (!qmp_has_command (qmp, "query-migrate"))
    return false;
  return qmp_call (qmp, "query-migrate", NULL, QMP_TIMEOUT_MS, &info,
                   NULL) < 0 || json_has_string (info, "status", "completed");
}

int
qmp_guest_look (struct qmp *qmp, enum qmp_guest *guest, struct failure *why)
{
  CLEANUP_JSON json_object *status = NULL;
  int r;

  if (!qmp_has_command (qmp, "query-status")) {
    *guest = QMP_GUEST_NONE;
    return 0;
  }
  r = qmp_call (qmp, "query-status", NULL, QMP_TIMEOUT_MS, &status, why);
  if (r < 0)
    return r;
  if (json_has_string (status, "status", "inmigrate")) {
    r = has_begun (qmp, why);
    if (r >= 0)
      *guest = r > 0 ? QMP_GUEST_ARRIVES : QMP_GUEST_AWAITED;
    return MIN (r, 0);
  }
  *guest = json_has_string (status, "status", "prelaunch") && !was_loaded (qmp)
           ? QMP_GUEST_FRESH : QMP_GUEST_HAS_RUN;
  return 0;
}
