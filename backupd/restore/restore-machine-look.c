/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who takes a snapshot of a node, or mirrors it, puts another one in its place: its exports, and
 * what holds it, go on with that one.  What clients wrote since is not in the image then. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include <glib.h>

#include "file-identity.h"
#include "json-members.h"
#include "qmp-hold.h"
#include "qmp-peer.h"
#include "qmp-survey.h"
#include "restore-machine.h"
#include "restore-registry.h"

static int
moved (const struct restore_image *image, struct failure *why)
{
  return failure_set (why, FAILURE_BROKEN, ESTALE, "the disk %s is not the node "
                      "%s with %s any more: a snapshot, a block job or something "
                      "else has put another in its place amid the restore",
                      image->disk, image->node, image->path);
}

/* The very file is still the node's. */
static int
check_file (const struct qmp_survey *survey, const struct restore_image *image,
            struct failure *why)
{
  const char *file =
    json_get_string (json_find (qmp_survey_nodes (survey), "node-name",
                                image->node), "file");
  char identity[FILE_IDENTITY_SIZE] = "";
  struct qmp_image found;

  if (file != NULL && qmp_survey_find (survey, file, &found) == 0)
    file_identity_text (&found.st, identity);
  return strcmp (identity, restore_target_identity (image->target)) == 0 ? 0
         : moved (image, why);
}

int
restore_machine_check_exports (struct qmp *qmp, const struct restore *restore,
                               struct failure *why)
{
  g_auto (GStrv) ids = restore_machine_exports (restore);
  CLEANUP_JSON json_object *exports = NULL;
  int r = qmp_call (qmp, "query-block-exports", NULL, QMP_TIMEOUT_MS, &exports,
                    why);

  for (guint i = 0; r == 0 && i < restore->images->len; i++)
    if (!json_has_string (json_find (exports, "id", ids[i]), "node-name",
                          restore_machine_image (restore, i)->node))
      r = moved (restore_machine_image (restore, i), why);
  return r;
}

static int
look (struct qmp *qmp, struct restore *restore, struct failure *why)
{
  struct qmp_survey *survey = NULL;
  pid_t pid = 0;
  uid_t uid;
  gid_t gid;
  int r = restore_machine_check_guest (qmp, restore, why);

  if (r < 0)
    return r;
  if (qmp_peer (qmp, &uid, &gid, &pid) < 0)
    pid = 0;
  r = qmp_survey_create (qmp, pid, &survey, why);
  for (guint i = 0; r == 0 && i < restore->images->len; i++)
    r = check_file (survey, restore_machine_image (restore, i), why);
  for (guint i = 0; r == 0 && i < restore->images->len; i++)
    r = restore_machine_check_hold (qmp, restore, i, why);
  qmp_survey_destroy (survey);
  return r;
}

int
restore_machine_look (void *context, struct failure *why)
{
  struct restore *restore = context;
  int r;

  if (restore->qemu == NULL)
    return 0;
  r = restore_machine_ask (restore, true, look, why);
  return r < 0 ? r : restore_registry_check_unbroken (restore, why);
}
