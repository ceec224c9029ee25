/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest is frozen for the transaction alone.  A freeze that failed is no
 * failure of the backup once the point in time is there: the info says what it
 * is worth. */
#include <config.h>

#include "backup-quiesce.h"
#include "backup-steps.h"
#include "json-members.h"
#include "log.h"
#include "quiesce.h"

int
backup_quiesce (void *context, struct failure *why)
{
  struct backup *backup = context;

  if (!backup->options.quiesce)
    return 0;
  return quiesce_begin (backup->options.agent, NULL,
                        backup->paths.quiesce_journal, backup->vm.boot_id,
                        &backup->quiet.running, why);
}

int
backup_quiesce_thaw (void *context, struct failure *why)
{
  struct backup *backup = context;

  if (backup->quiet.running == NULL)
    return 0;
  backup->quiet.reason = quiesce_end (backup->quiet.running, &backup->quiet.ms,
                                      &backup->quiet.done);
  backup->quiet.running = NULL;
  if (backup->quiet.reason != NULL)
    log_warning ("the point in time of %s is crash-consistent only: %s",
                 backup->options.domain, backup->quiet.reason);
  return 0;
}

int
backup_quiesce_undo (void *context, struct failure *why)
{
  struct backup *backup = context;
  struct failure thaw_why = { .error = 0 };

  /* A backup that was begun here has seen to its thaw, if it got that far. */
  if (backup->quiet.running != NULL)
    return backup_quiesce_thaw (backup, why);
  /* A journal of the first version has the agent itself. */
  if (backup->options.agent != NULL && backup->recovered &&
      backup->vm.qmp != NULL &&
      quiesce_thaw (backup->options.agent, &thaw_why) < 0)
    log_warning ("%s", thaw_why.text);
  return 0;
}

void
backup_quiesce_info (const struct backup *backup, json_object *info)
{
  json_add_string (info, "consistency",
                   backup->quiet.done ? "quiesced" : "crash-consistent");
  json_add_string (info, "consistency-reason", backup->quiet.reason);
  json_object_object_add (info, "quiesced-ms", !backup->options.quiesce ? NULL
                          : json_object_new_double (backup->quiet.ms));
}
