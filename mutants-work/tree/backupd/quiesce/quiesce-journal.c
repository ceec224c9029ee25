/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A journal that cannot be read is not taken as none: a guest may be frozen,
 * so that has to be said until somebody has looked. */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "file.h"
#include "json-members.h"
#include "log.h"
#include "quiesce-journal.h"

int
quiesce_journal_write (const char *path, const char *agent, const char *qemu,
                       struct failure *why)
{
  CLEANUP_JSON json_object *o = json_with ("agent", agent);
  const char *text;
  int r;

  json_add_string (o, "qemu", qemu);
  text = json_object_to_json_string (o);
  r = file_replace (path, text, strlen (text));
  if (r < 0)
    failure_set (why, FAILURE_STORAGE, -r, "cannot write the journal %s: %s",
                 path, g_strerror (-r));
  return r;
}

void
quiesce_journal_remove (const char *path)
{
  if (unlink (path) < 0 && errno != ENOENT)
    log_warning ("cannot remove the journal %s: %s", path, g_strerror (errno));
}

static char *
read_member (const char *path, const char *key)
{
  CLEANUP_JSON json_object *o = json_object_from_file (path);

  return g_strdup (json_get_string (o, key));
}

char *
quiesce_journal_agent (const char *path)
{
  return read_member (path, "agent");
}

char *
quiesce_journal_qemu (const char *path)
{
  return read_member (path, "qemu");
}
