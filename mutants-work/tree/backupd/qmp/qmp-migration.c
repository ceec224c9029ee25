/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU has no command that forbids migrations, but formats of disks that it cannot
 * hand over: "migrate" is refused, with the node's name, for as long as such a node is there.
 * The oldest is VHD ("vpc"), which is in every build; the smallest image is a footer.
 *
 * Nor does QEMU before 10.0 say whether its images are its own.  But a device has the
 * permission to write its disk, and loses it when QEMU gives the images away. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "json-members.h"
#include "qmp-graph.h"
#include "qmp-migration.h"

static const char *const running[] = {
  "setup", "active", "pre-switchover", "device", "wait-unplug", "colo",
  "postcopy-active", "postcopy-paused", "postcopy-recover",
  "postcopy-recover-setup", "postcopy-device", "cancelling", NULL
};

static int
query_status (struct qmp *qmp, int timeout_ms, char *status, size_t size,
              struct failure *why)
{
  CLEANUP_JSON json_object *reply = NULL;
  const char *text;
  int r = 0;

  if (qmp_has_command (qmp, "query-migrate"))
    r = qmp_call (qmp, "query-migrate", NULL, timeout_ms, &reply, why);
  if (r < 0)
    return r;
  text = json_get_string (reply, "status");
  g_strlcpy (status, text == NULL ? "none" : text, size);
  return 0;
}

int
qmp_migration_query (struct qmp *qmp, int timeout_ms,
                     enum qmp_migration *migration, struct failure *why)
{
  char status[32];
  int r = query_status (qmp, timeout_ms, status, sizeof status, why);

  if (r < 0)
    return r;
  *migration = g_strv_contains (running, status) ? QMP_MIGRATION_RUNS
               : strcmp (status, "failed") == 0 ? QMP_MIGRATION_FAILED
               : QMP_MIGRATION_NONE;
  return 0;
}

/* --- whose images ---------------------------------------------------- */

/* Has any device the permission to write its disk, of those that may need it? */
static int
lacks_permissions (struct qmp *qmp, struct failure *why)
{
  CLEANUP_JSON json_object *drives = NULL, *graph = NULL;
  bool any = false;
  int r = qmp_call (qmp, "query-block", NULL, QMP_TIMEOUT_MS, &drives, why);

  if (r == 0)
    r = qmp_graph_load (qmp, &graph, why);
  for (size_t i = 0; r == 0 && i < json_length (drives); i++) {
    json_object *drive = json_object_array_get_idx (drives, i);
    json_object *medium = json_get_object (drive, "inserted");
    const char *name = json_get_string (drive, "device");

    if (name == NULL || name[0] == '\0')
      name = json_get_string (drive, "qdev");
    if (medium == NULL || name == NULL || json_get_bool (medium, "ro"))
      continue;
    if (qmp_graph_may_write (graph, name))
      return 0;
    any = true;
  }
  return r < 0 ? r : any;
}

int
qmp_migration_gave_images (struct qmp *qmp, struct failure *why)
{
  CLEANUP_JSON json_object *state = NULL;
  char status[32];
  bool incoming;
  int r;

  if (!qmp_has_command (qmp, "query-status") ||
      !qmp_has_command (qmp, "query-migrate") ||
      !qmp_has_command (qmp, "query-block"))
    return 0;
  r = qmp_call (qmp, "query-status", NULL, QMP_TIMEOUT_MS, &state, why);
  if (r < 0 || json_get_bool (state, "running"))
    return r < 0 ? r : 0;
  r = query_status (qmp, QMP_TIMEOUT_MS, status, sizeof status, why);
  if (r < 0)
    return r;
  incoming = json_has_string (state, "status", "inmigrate");
  if (!incoming && strcmp (status, "completed") != 0 &&
      !g_strv_contains (running, status))
    return 0;
  if (qmp_has_command (qmp, "x-debug-query-block-graph"))
    return lacks_permissions (qmp, why);
  return incoming || json_has_string (state, "status", "postmigrate");
}

/* --- the blocker ------------------------------------------------------- */

static void
put (unsigned char *at, uint64_t number, unsigned bytes)
{
  while (bytes-- > 0) {
    at[bytes] = (unsigned char) number;
    number >>= 8;
  }
}

void
qmp_migration_blocker_image (unsigned char image[QMP_MIGRATION_BLOCKER_SIZE])
{
  unsigned char *footer = image + QMP_MIGRATION_BLOCKER_SIZE - 512;
  uint32_t sum = 0;

  memset (image, 0, QMP_MIGRATION_BLOCKER_SIZE);
  memcpy (footer, "conectix", 8);
  put (footer + 8, 2, 4);       /* features: the bit that is always set */
  put (footer + 12, 0x10000, 4);        /* version */
  put (footer + 16, UINT64_MAX, 8);     /* a fixed disk has no more headers */
  memcpy (footer + 28, "pbck", 4);      /* who made it */
  put (footer + 40, 512, 8);    /* its size, at first and now */
  put (footer + 48, 512, 8);
  put (footer + 56, 1, 2);      /* cylinders, heads, sectors */
  put (footer + 58, 1, 1);
  put (footer + 59, 1, 1);
  put (footer + 60, 2, 4);      /* a fixed disk */
  for (unsigned i = 0; i < 512; i++)
    sum += footer[i];
  put (footer + 64, ~sum, 4);
}

int
qmp_migration_block (struct qmp *qmp, const char *node, const char *file,
                     struct failure *why)
{
  json_object *arguments = json_with ("driver", "vpc");
  json_object *below = json_with ("driver", "file");

  json_add_string (below, "filename", file);
  json_add_string (below, "locking", "off");
  json_add_string (arguments, "node-name", node);
  json_add_bool (arguments, "read-only", true);
  json_object_object_add (arguments, "file", below);
  return qmp_call (qmp, "blockdev-add", arguments, QMP_TIMEOUT_MS, NULL, why);
}
