/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>
#include <json-c/json.h>

#include "full-io.h"
#include "log.h"
#include "quiesce-journal.h"
#include "quiesce.h"

int
quiesce_journal_write (const char *path, const char *agent, const char *qemu,
                       struct failure *why)
{
  json_object *o = json_object_new_object ();
  const char *text;
  int r;

  json_object_object_add (o, "agent", json_object_new_string (agent));
  json_object_object_add (o, "qemu", json_object_new_string (qemu));
  text = json_object_to_json_string (o);
  r = file_replace (path, text, strlen (text));
  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot write the journal %s: %s",
                 path, g_strerror (-r));
  json_object_put (o);
  return r;
}

void
quiesce_journal_remove (const char *path)
{
  if (unlink (path) < 0 && errno != ENOENT)
    log_warning ("cannot remove the journal %s: %s", path, g_strerror (errno));
}

char *
quiesce_journal_qemu (const char *path)
{
  json_object *o, *qemu;
  char *copy;

  if (access (path, F_OK) < 0)
    return NULL;
  o = json_object_from_file (path);
  copy = g_strdup (json_object_is_type (o, json_type_object) &&
                   json_object_object_get_ex (o, "qemu", &qemu)
                   ? json_object_get_string (qemu) : "");
  json_object_put (o);
  return copy;
}

int
quiesce_journal_recover (const char *path, struct failure *why)
{
  json_object *o, *agent;
  int r;

  if (access (path, F_OK) < 0)
    return 0;
  o = json_object_from_file (path);
  if (!json_object_is_type (o, json_type_object) ||
      !json_object_object_get_ex (o, "agent", &agent))
    r = failure_set (why, FAILURE_STORAGE, EINVAL, "the journal %s cannot be "
                     "read: see that the guest is not frozen, then remove the "
                     "file", path);
  else
    r = quiesce_thaw (json_object_get_string (agent), why);
  json_object_put (o);
  if (r == 0) {
    log_warning ("a guest that a killed daemon may have frozen was thawed");
    quiesce_journal_remove (path);
  }
  return r;
}
