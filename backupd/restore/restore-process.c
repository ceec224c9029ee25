/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include "restore-process.h"

int
restore_process_run (struct restore *restore, struct process_child_spec spec,
                     const char *mark, struct process_child **child,
                     struct failure *why)
{
  g_autofree char *record = restore_model_file (restore, spec.role, "process");
  const char *const marks[] = { mark, NULL };

  spec.record = record;
  if (restore->adopting)
    return process_child_adopt (&spec, marks, child, why);
  restore_model_note_fds (restore, spec.more_fds, spec.n_more_fds);
  return process_child_start (&spec, child, why);
}
