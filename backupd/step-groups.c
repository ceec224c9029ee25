/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <stdio.h>

#include "backup-steps.h"
#include "checkpoint.h"
#include "restore-steps.h"
#include "step-groups.h"

/* Points of a backup that are in no table. */
static const struct step journal[] = { { "journal", NULL, NULL } };
static const struct step commit[] = { { "commit", NULL, NULL } };
static const size_t one = 1;

static const struct {
  const char *job, *undo_job;
  const struct step *steps;
  const size_t *n;
} groups[] = {
  { "begin", "end", journal, &one },
  { "begin", "end", backup_steps, &n_backup_steps },
  { "commit", "commit", commit, &one },
  { "adopt", "adopt", backup_adopt_steps, &n_backup_adopt_steps },
  { "abort", "abort", checkpoint_merge_back_steps,
    &n_checkpoint_merge_back_steps },
  { "create", "create", checkpoint_create_steps, &n_checkpoint_create_steps },
  { "delete", "delete", checkpoint_intent_steps, &n_checkpoint_intent_steps },
  { "delete", "delete", checkpoint_delete_steps, &n_checkpoint_delete_steps },
  { "restore-begin", "restore-abort", restore_begin_steps,
    &n_restore_begin_steps },
  { "restore-begin", "restore-abort", restore_serve_steps,
    &n_restore_serve_steps },
  { "restore-adopt", "restore-adopt", restore_adopt_steps,
    &n_restore_adopt_steps },
  { "restore-commit", "restore-commit", restore_commit_steps,
    &n_restore_commit_steps },
  { "restore-commit", "restore-commit", restore_publish_steps,
    &n_restore_publish_steps },
};

void
step_groups_print (void)
{
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
    for (size_t j = 0; j < *groups[i].n; j++) {
      printf ("%s %s\n", groups[i].job, groups[i].steps[j].name);
      if (groups[i].steps[j].undo != NULL)
        printf ("%s undo-%s\n", groups[i].undo_job, groups[i].steps[j].name);
    }
}
