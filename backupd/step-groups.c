/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "backup-steps.h"
#include "checkpoint.h"
#include "step-groups.h"

/* Points in backup.c that are in no table. */
static const struct step journal = { "journal", NULL, NULL };
static const struct step commit = { "commit", NULL, NULL };

static void
table (const char *job, const struct step *steps, size_t n,
       void (*each) (const char *job, const struct step *step))
{
  for (size_t i = 0; i < n; i++)
    each (job, &steps[i]);
}

void
step_groups_each (void (*each) (const char *job, const struct step *step))
{
  table ("begin", &journal, 1, each);
  table ("begin", backup_steps, n_backup_steps, each);
  table ("commit", &commit, 1, each);
  table ("abort", checkpoint_merge_back_steps, n_checkpoint_merge_back_steps,
         each);
  table ("create", checkpoint_create_steps, n_checkpoint_create_steps, each);
  table ("delete", checkpoint_intent_steps, n_checkpoint_intent_steps, each);
  table ("delete", checkpoint_delete_steps, n_checkpoint_delete_steps, each);
}
