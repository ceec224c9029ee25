/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "backup-quiesce.h"
#include "backup-steps.h"
#include "log.h"
#include "quiesce.h"

int
backup_quiesce (void *context, struct failure *why)
{
  struct backup *backup = context;

  if (backup->agent == NULL)
    return 0;
  return quiesce_begin (backup->agent, NULL, backup->quiesce_journal,
                        backup->boot_id, &backup->quiesce, why);
}

int
backup_quiesce_thaw (void *context, struct failure *why)
{
  struct backup *backup = context;

  if (backup->quiesce == NULL)
    return 0;
  backup->not_quiesced = quiesce_end (backup->quiesce, &backup->quiesced_ms,
                                      &backup->quiesced);
  backup->quiesce = NULL;
  if (backup->not_quiesced != NULL)
    log_warning ("the point in time of %s is crash-consistent only: %s",
                 backup->domain, backup->not_quiesced);
  return 0;
}

int
backup_quiesce_undo (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct failure thaw_why = { .error = 0 };

  /* A backup that was begun here has seen to its thaw, if it got that far. */
  if (backup->quiesce != NULL)
    return backup_quiesce_thaw (backup, why);
  /* A journal of the first version has the agent itself. */
  if (backup->agent != NULL && backup->recovered && backup->qmp != NULL &&
      quiesce_thaw (backup->agent, &thaw_why) < 0)
    log_warning ("%s", thaw_why.text);
  return 0;
}

void
backup_quiesce_info (const struct backup *backup, json_object *info)
{
  json_object_object_add (info, "consistency", json_object_new_string (
    backup->quiesced ? "quiesced" : "crash-consistent"));
  json_object_object_add (info, "consistency-reason",
                          backup->not_quiesced == NULL ? NULL
                          : json_object_new_string (backup->not_quiesced));
  json_object_object_add (info, "quiesced-ms", backup->agent == NULL ? NULL
                          : json_object_new_double (backup->quiesced_ms));
}
